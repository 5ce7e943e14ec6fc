//! RS256 to PS512: prepared keys, the crate `rsa` and graviola must agree.
//!
//! Cases start from signatures made beforehand over encodings that are valid or almost valid, or, rarely,
//! since a private operation is slow, over one that the input describes; then the signature, the message,
//! the scheme or the length is mutated, or the number replaced by one next to 0 or n.

use std::sync::LazyLock;

use libtoken::internals::rsa::{Key, Padding};
use num_bigint::BigUint;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pss::Pss;
use rsa::{BoxedUint, RsaPublicKey};
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::input::Input;

/// What the implementations agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Valid,
    Invalid,
    /// The CPU has no prepared path: nothing was compared.
    Skipped,
}

/// Runs one case.
pub fn run(data: &[u8]) -> Outcome {
    let mut input = Input::new(data);
    let keys = input.pick(&KEYS);
    let Some(prepared) = &keys.prepared else { return Outcome::Skipped };
    let (padding, mut message, mut signature) = if input.below(FRESH_IN) == 1 {
        let padding = *input.pick(&PADDINGS);
        let message = input.array::<4>().to_vec();
        let encoded = deformed(&mut input, keys, padding, &message);
        let signature = keys.sign(&encoded);
        (padding, message, signature)
    } else {
        input.pick(&keys.signed).clone()
    };
    let mut padding = padding;
    match input.below(12) {
        0 => {}
        1..=3 => {
            let place = input.below(signature.len());
            signature[place] ^= 1 << (input.byte() % 8);
        }
        4 => padding = *input.pick(&PADDINGS),
        5 => message.push(input.byte()),
        6 => {
            // Next to 0, to n, or to 2^bits.
            let distance = BigUint::from(input.byte() % 8);
            let number = match input.below(5) {
                0 => distance,
                1 => &keys.n - 1_u8 - distance,
                2 => &keys.n + distance,
                3 => (BigUint::from(1_u8) << keys.bits) - 1_u8 - distance,
                _ => (BigUint::from(1_u8) << (keys.bits - 1)) + distance,
            };
            signature = keys.padded(&number);
        }
        7 => {
            // n - s, and s + n, which is the same number modulo n.
            let number = BigUint::from_bytes_be(&signature);
            let number = if input.byte() & 1 == 0 { &keys.n - number % &keys.n } else { number + &keys.n };
            signature = keys.padded(&number);
        }
        8 => signature.truncate(input.below(signature.len() + 1)),
        9 => signature.insert(0, input.byte() & 1),
        10 => signature.push(input.byte()),
        _ => {
            let (from, to) = (input.below(signature.len()), input.below(signature.len()));
            let fill = if input.byte() & 1 == 0 { 0 } else { 0xff };
            signature[from.min(to)..from.max(to)].fill(fill);
        }
    }
    let verdict = keys.library_verdict(padding, &message, &signature);
    // graviola leaves the length to its caller (RFC 8017 §8.2.2 step 1), and refuses what other moduli sign.
    if signature.len() == keys.length && keys.bits.is_multiple_of(64) {
        assert_eq!(
            keys.graviola_verdict(padding, &message, &signature),
            verdict,
            "graviola and rsa disagree"
        );
    }
    assert_eq!(prepared.verifies(padding, &message, &signature), verdict, "{padding:?}, {} bits", keys.bits);
    if verdict { Outcome::Valid } else { Outcome::Invalid }
}

/// One case in this many pays for a private operation.
const FRESH_IN: usize = 256;

const PADDINGS: [Padding; 6] = [
    Padding::Pkcs1(256),
    Padding::Pkcs1(384),
    Padding::Pkcs1(512),
    Padding::Pss(256),
    Padding::Pss(384),
    Padding::Pss(512),
];

type Signed = (Padding, Vec<u8>, Vec<u8>);

/// One key pair, its public half in all implementations, and signatures made with it.
struct Keys {
    n: BigUint,
    d: BigUint,
    bits: usize,
    length: usize,
    prepared: Option<Key>,
    library: RsaPublicKey,
    graviola: graviola::signing::rsa::VerifyingKey,
    signed: Vec<Signed>,
}

static KEYS: LazyLock<Vec<Keys>> = LazyLock::new(|| {
    let text = include_str!("../../vectors/rsa-test-keys.txt");
    text.lines().filter(|line| !line.starts_with('#')).map(Keys::parse).collect()
});

impl Keys {
    /// bits, p and q.
    fn parse(line: &str) -> Keys {
        let words: Vec<&str> = line.split(' ').collect();
        let [bits, p, q] = words[..] else { panic!("three words") };
        let number = |text: &str| BigUint::parse_bytes(text.as_bytes(), 16).expect("hex");
        let (p, q) = (number(p), number(q));
        let phi = (&p - 1_u8) * (&q - 1_u8);
        let (n, bytes) = (&p * &q, (&p * &q).to_bytes_be());
        let precision = u32::try_from(bytes.len() * 8).expect("small");
        let boxed = BoxedUint::from_be_slice(&bytes, precision).expect("fits");
        let mut keys = Keys {
            d: BigUint::from(65_537_u32).modinv(&phi).expect("coprime"),
            bits: bits.parse().expect("a number"),
            length: bytes.len(),
            prepared: Key::new(&bytes, &[1, 0, 1]),
            library: RsaPublicKey::new_with_size_limits(boxed, BoxedUint::from(65_537_u64), 2048..=4096)
                .expect("valid"),
            graviola: graviola::signing::rsa::VerifyingKey::from_pkcs1_der(&pkcs1_der(&bytes))
                .expect("valid"),
            signed: Vec::new(),
            n,
        };
        for padding in PADDINGS {
            let message = vec![b'm'];
            let encoded = keys.encode(padding, &message, 5, usize::MAX, 0xbc);
            keys.signed.push((padding, message, keys.sign(&encoded)));
        }
        // Almost valid ones, by fixed instructions.
        for variant in 0..8_u8 {
            let padding = PADDINGS[usize::from(variant) % PADDINGS.len()];
            let instructions = [variant, 0, variant, 0, 17, 0, variant, 0, 3];
            let encoded = deformed(&mut Input::new(&instructions), &keys, padding, b"m");
            keys.signed.push((padding, vec![b'm'], keys.sign(&encoded)));
        }
        keys
    }

    /// The signature whose encoded message is `encoded`, modulo n.
    fn sign(&self, encoded: &[u8]) -> Vec<u8> {
        self.padded(&BigUint::from_bytes_be(encoded).modpow(&self.d, &self.n))
    }

    fn padded(&self, number: &BigUint) -> Vec<u8> {
        let bytes = number.to_bytes_be();
        let mut padded = vec![0; self.length.saturating_sub(bytes.len())];
        padded.extend(bytes);
        padded
    }

    /// An encoding, valid where the salt has the hash's length (`usize::MAX` stands for that) and the trailer
    /// is 0xbc.
    fn encode(&self, padding: Padding, message: &[u8], salt: u8, salt_length: usize, trailer: u8) -> Vec<u8> {
        let salt_of =
            |length: usize| vec![salt; if salt_length == usize::MAX { length } else { salt_length }];
        match padding {
            Padding::Pkcs1(256) => self.pkcs1::<Sha256>(&SHA256_INFO, message),
            Padding::Pkcs1(384) => self.pkcs1::<Sha384>(&SHA384_INFO, message),
            Padding::Pkcs1(_) => self.pkcs1::<Sha512>(&SHA512_INFO, message),
            Padding::Pss(256) => self.pss::<Sha256>(message, &salt_of(32), trailer),
            Padding::Pss(384) => self.pss::<Sha384>(message, &salt_of(48), trailer),
            Padding::Pss(_) => self.pss::<Sha512>(message, &salt_of(64), trailer),
        }
    }

    fn pkcs1<H: Digest>(&self, info: &[u8], message: &[u8]) -> Vec<u8> {
        let content = [info, &H::digest(message)].concat();
        let mut block = vec![0xff; self.length];
        (block[0], block[1]) = (0, 1);
        let start = self.length - content.len();
        block[start - 1] = 0;
        block[start..].copy_from_slice(&content);
        block
    }

    /// RFC 8017 §9.1.1.
    fn pss<H: Digest>(&self, message: &[u8], salt: &[u8], trailer: u8) -> Vec<u8> {
        let bits = self.bits - 1;
        let length = bits.div_ceil(8);
        let hash =
            H::new().chain_update([0; 8]).chain_update(H::digest(message)).chain_update(salt).finalize();
        let mut db = vec![0; length - hash.len() - 1];
        let start = db.len() - salt.len();
        db[start..].copy_from_slice(salt);
        db[start - 1] = 1;
        for (counter, block) in (0_u32..).zip(db.chunks_mut(hash.len())) {
            let mask = H::new().chain_update(&hash).chain_update(counter.to_be_bytes()).finalize();
            for (byte, mask) in block.iter_mut().zip(mask) {
                *byte ^= mask;
            }
        }
        db[0] &= 0xff >> (8 * length - bits);
        db.extend_from_slice(&hash);
        db.push(trailer);
        db
    }

    fn library_verdict(&self, padding: Padding, message: &[u8], signature: &[u8]) -> bool {
        let pkcs1 = |info: &[u8], length| Pkcs1v15Sign { hash_len: Some(length), prefix: info.into() };
        let library = &self.library;
        let verdict = match padding {
            Padding::Pkcs1(256) => {
                library.verify(pkcs1(&SHA256_INFO, 32), &Sha256::digest(message), signature)
            }
            Padding::Pkcs1(384) => {
                library.verify(pkcs1(&SHA384_INFO, 48), &Sha384::digest(message), signature)
            }
            Padding::Pkcs1(_) => library.verify(pkcs1(&SHA512_INFO, 64), &Sha512::digest(message), signature),
            Padding::Pss(256) => library.verify(Pss::<Sha256>::new(), &Sha256::digest(message), signature),
            Padding::Pss(384) => library.verify(Pss::<Sha384>::new(), &Sha384::digest(message), signature),
            Padding::Pss(_) => library.verify(Pss::<Sha512>::new(), &Sha512::digest(message), signature),
        };
        verdict.is_ok()
    }

    fn graviola_verdict(&self, padding: Padding, message: &[u8], signature: &[u8]) -> bool {
        let key = &self.graviola;
        let verdict = match padding {
            Padding::Pkcs1(256) => key.verify_pkcs1_sha256(signature, message),
            Padding::Pkcs1(384) => key.verify_pkcs1_sha384(signature, message),
            Padding::Pkcs1(_) => key.verify_pkcs1_sha512(signature, message),
            Padding::Pss(256) => key.verify_pss_sha256(signature, message),
            Padding::Pss(384) => key.verify_pss_sha384(signature, message),
            Padding::Pss(_) => key.verify_pss_sha512(signature, message),
        };
        verdict.is_ok()
    }
}

/// An encoding with one deformation.
fn deformed(input: &mut Input<'_>, keys: &Keys, padding: Padding, message: &[u8]) -> Vec<u8> {
    let good = keys.encode(padding, message, input.byte(), usize::MAX, 0xbc);
    let mut encoded = good.clone();
    match input.below(8) {
        0 => return good,
        1 => return keys.encode(padding, message, 1, input.below(66), 0xbc),
        2 => return keys.encode(padding, message, 1, usize::MAX, input.byte()),
        3 => {
            // Shifted left, with garbage behind: a parser that stops early is content.
            let by = input.below(encoded.len() - 2);
            encoded[2..].rotate_left(by.min(40));
        }
        4 => encoded[input.below(3)] ^= input.byte(),
        5 => {
            // Somewhere in the tail: DigestInfo, hash or H.
            let place = encoded.len() - 1 - input.below(90);
            encoded[place] ^= input.byte();
        }
        6 => {
            // Long BER lengths: a byte more in DigestInfo, a byte less in front.
            let place = encoded.len() - 1 - input.below(90);
            encoded.insert(place, [0x81, 0x00, 0x05][input.below(3)]);
            encoded.remove(2);
        }
        _ => {
            let place = input.below(encoded.len());
            encoded[place] ^= 1 << (input.byte() % 8);
        }
    }
    encoded
}

/// RSAPublicKey (RFC 8017 §A.1.1) with e = 65537.
fn pkcs1_der(n: &[u8]) -> Vec<u8> {
    let long = |tag: u8, content: &[u8]| {
        let length = u16::try_from(content.len()).expect("short").to_be_bytes();
        [&[tag, 0x82], &length[..], content].concat()
    };
    let sign = if n[0] & 0x80 == 0 { &[][..] } else { &[0][..] };
    long(0x30, &[long(2, &[sign, n].concat()), vec![2, 3, 1, 0, 1]].concat())
}

const SHA256_INFO: [u8; 19] = digest_info(1, 32);
const SHA384_INFO: [u8; 19] = digest_info(2, 48);
const SHA512_INFO: [u8; 19] = digest_info(3, 64);

/// RFC 8017 §9.2, note 1; the hashes' object identifiers differ in their last number.
const fn digest_info(identifier: u8, length: u8) -> [u8; 19] {
    let mut info = [
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
        0x04, 0x20,
    ];
    (info[1], info[14], info[18]) = (length + 17, identifier, length);
    info
}
