//! Which code adds the table rows on this machine: the fastest path that the CPU has and that gave the
//! known answers.
//!
//! The self-test runs once per process, when the first key is prepared, never while a signature is checked.
//! A path that fails it is never used; [`path_report`] tells, and the next one serves.

use std::sync::OnceLock;

use crate::crypto::VerifySignature;
use crate::jose::algorithm::Scheme;

use super::PreparedEd25519;
use super::field::Native;
use super::point::{self, Extended};
use super::recode::Window;
use super::table::Terms;
#[cfg(target_arch = "x86_64")]
use super::{avx2::Avx2, ifma::Ifma};

/// A way to add the rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Path {
    /// One row after the other, on fiat-crypto's arithmetic. Runs everywhere.
    Portable,
    /// Four rows side by side, with AVX2.
    Avx2,
    /// Eight rows side by side, with AVX-512 F and IFMA.
    Ifma,
}

/// Whether a path may serve.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PathStatus {
    /// The CPU lacks the instructions.
    Absent,
    /// The self-test gave a wrong answer: switched off until the process ends.
    Faulty,
    /// Passed the self-test.
    Ready,
}

/// The state of every path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PathReport {
    /// State of [`Path::Portable`].
    pub(crate) portable: PathStatus,
    /// State of [`Path::Avx2`].
    pub(crate) avx2: PathStatus,
    /// State of [`Path::Ifma`].
    pub(crate) ifma: PathStatus,
}

/// The state of every path, after their self-tests; the first call runs them (about 3 ms).
pub(crate) fn path_report() -> PathReport {
    static REPORT: OnceLock<PathReport> = OnceLock::new();
    *REPORT.get_or_init(|| PathReport {
        portable: status(Path::Portable, passes_self_test),
        avx2: status(Path::Avx2, passes_self_test),
        ifma: status(Path::Ifma, passes_self_test),
    })
}

/// The path that serves new keys; none if even the portable one failed.
pub(super) fn fastest() -> Option<Engine> {
    fastest_of(&path_report())
}

/// A path that this machine can run: a vector path's value exists only where its instructions were found.
#[derive(Clone, Copy, Debug)]
pub(super) enum Engine {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Ifma(Ifma),
}

impl Engine {
    /// The engine of `path`, if this CPU can run it.
    pub(super) fn detect(path: Path) -> Option<Self> {
        match path {
            Path::Portable => Some(Self::Portable),
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => Avx2::detect().map(Self::Avx2),
            #[cfg(target_arch = "x86_64")]
            Path::Ifma => Ifma::detect().map(Self::Ifma),
            #[cfg(not(target_arch = "x86_64"))]
            Path::Avx2 | Path::Ifma => None,
        }
    }

    pub(super) fn path(self) -> Path {
        match self {
            Self::Portable => Path::Portable,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => Path::Avx2,
            #[cfg(target_arch = "x86_64")]
            Self::Ifma(_) => Path::Ifma,
        }
    }

    /// The sum of `terms`.
    pub(super) fn sum(self, terms: &Terms<'_>) -> Extended<Native> {
        match self {
            Self::Portable => point::sum(terms.padded(1)),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.sum(terms.padded(Avx2::LANES)),
            #[cfg(target_arch = "x86_64")]
            Self::Ifma(ifma) => ifma.sum(terms.padded(Ifma::LANES)),
        }
    }
}

pub(super) fn fastest_of(report: &PathReport) -> Option<Engine> {
    [(Path::Ifma, report.ifma), (Path::Avx2, report.avx2), (Path::Portable, report.portable)]
        .into_iter()
        .filter(|(_, status)| *status == PathStatus::Ready)
        .find_map(|(path, _)| Engine::detect(path))
}

pub(super) fn status(path: Path, self_test: impl Fn(Engine) -> bool) -> PathStatus {
    match Engine::detect(path) {
        None => PathStatus::Absent,
        Some(engine) if self_test(engine) => PathStatus::Ready,
        Some(_) => PathStatus::Faulty,
    }
}

/// Whether `engine` accepts every known signature and refuses each with one bit of R or S
/// changed, and for another message.
fn passes_self_test(engine: Engine) -> bool {
    KNOWN_ANSWERS.iter().all(|known| {
        let Ok(key) = PreparedEd25519::for_engine(&known.public_key, Window::Bits4, engine) else {
            return false;
        };
        let holds =
            |message: &[u8], signature: &[u8; 64]| key.verify(Scheme::Ed25519, message, signature).is_ok();

        let refuses_message = !holds(&[], &known.signature);
        let refuses_signature = [0, 31, 32, 62].into_iter().all(|byte| {
            let mut signature = known.signature;
            signature[byte] ^= 0x80;
            !holds(known.message, &signature)
        });
        holds(known.message, &known.signature) && refuses_message && refuses_signature
    })
}

/// A signature that is known to be valid.
struct KnownAnswer {
    public_key: [u8; 32],
    message: &'static [u8],
    signature: [u8; 64],
}

/// RFC 8032 §7.1, TEST 2 and TEST 3.
const KNOWN_ANSWERS: [KnownAnswer; 2] = [
    KnownAnswer {
        public_key: [
            0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b, 0x7e, 0xbc,
            0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c,
        ],
        message: &[0x72],
        signature: [
            0x92, 0xa0, 0x09, 0xa9, 0xf0, 0xd4, 0xca, 0xb8, 0x72, 0x0e, 0x82, 0x0b, 0x5f, 0x64, 0x25, 0x40,
            0xa2, 0xb2, 0x7b, 0x54, 0x16, 0x50, 0x3f, 0x8f, 0xb3, 0x76, 0x22, 0x23, 0xeb, 0xdb, 0x69, 0xda,
            0x08, 0x5a, 0xc1, 0xe4, 0x3e, 0x15, 0x99, 0x6e, 0x45, 0x8f, 0x36, 0x13, 0xd0, 0xf1, 0x1d, 0x8c,
            0x38, 0x7b, 0x2e, 0xae, 0xb4, 0x30, 0x2a, 0xee, 0xb0, 0x0d, 0x29, 0x16, 0x12, 0xbb, 0x0c, 0x00,
        ],
    },
    KnownAnswer {
        public_key: [
            0xfc, 0x51, 0xcd, 0x8e, 0x62, 0x18, 0xa1, 0xa3, 0x8d, 0xa4, 0x7e, 0xd0, 0x02, 0x30, 0xf0, 0x58,
            0x08, 0x16, 0xed, 0x13, 0xba, 0x33, 0x03, 0xac, 0x5d, 0xeb, 0x91, 0x15, 0x48, 0x90, 0x80, 0x25,
        ],
        message: &[0xaf, 0x82],
        signature: [
            0x62, 0x91, 0xd6, 0x57, 0xde, 0xec, 0x24, 0x02, 0x48, 0x27, 0xe6, 0x9c, 0x3a, 0xbe, 0x01, 0xa3,
            0x0c, 0xe5, 0x48, 0xa2, 0x84, 0x74, 0x3a, 0x44, 0x5e, 0x36, 0x80, 0xd7, 0xdb, 0x5a, 0xc3, 0xac,
            0x18, 0xff, 0x9b, 0x53, 0x8d, 0x16, 0xf2, 0x90, 0xae, 0x67, 0xf7, 0x60, 0x98, 0x4d, 0xc6, 0x59,
            0x4a, 0x7c, 0x15, 0xe9, 0x71, 0x6e, 0xd2, 0x8d, 0xc0, 0x27, 0xbe, 0xce, 0xea, 0x1e, 0xc4, 0x0a,
        ],
    },
];
