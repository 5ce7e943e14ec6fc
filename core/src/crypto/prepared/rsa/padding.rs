//! What s^e mod n must look like: EMSA-PKCS1-v1_5 and EMSA-PSS (RFC 8017 §§9.1.2, 9.2).
//!
//! Neither reads a structure out of the number. PKCS#1 builds the one valid encoding and compares all of it;
//! PSS follows the steps of the RFC with a salt of the hash's length (RFC 7518 §3.5).

use sha2::digest::{Digest, Output};
use sha2::{Sha256, Sha384, Sha512};

use super::MAX_BYTES;

/// A hash with the DER of its `DigestInfo` (RFC 8017 §9.2, note 1), up to the hash value.
pub(super) trait SignatureHash: Digest {
    const DIGEST_INFO: &'static [u8];
}

impl SignatureHash for Sha256 {
    const DIGEST_INFO: &'static [u8] = &[
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
        0x04, 0x20,
    ];
}

impl SignatureHash for Sha384 {
    const DIGEST_INFO: &'static [u8] = &[
        0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00,
        0x04, 0x30,
    ];
}

impl SignatureHash for Sha512 {
    const DIGEST_INFO: &'static [u8] = &[
        0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00,
        0x04, 0x40,
    ];
}

/// Whether `encoded`, of the modulus's length, is the encoding of `hash`: 00 01 FF..FF 00 DigestInfo hash.
pub(super) fn is_pkcs1_encoding<H: SignatureHash>(encoded: &[u8], hash: &Output<H>) -> bool {
    let tail = H::DIGEST_INFO.len() + hash.len();
    let mut buffer = [0xff; MAX_BYTES];
    // The shortest modulus leaves far more than the 8 bytes FF that §9.2 step 3 asks for.
    let Some(expected) = buffer.get_mut(..encoded.len()) else { return false };
    let Some((filling, end)) = expected.split_at_mut_checked(encoded.len().wrapping_sub(tail)) else {
        return false;
    };
    let [zero, one, .., separator] = filling else { return false };
    (*zero, *one, *separator) = (0, 1, 0);
    let (digest_info, value) = end.split_at_mut(H::DIGEST_INFO.len());
    digest_info.copy_from_slice(H::DIGEST_INFO);
    value.copy_from_slice(hash);
    encoded == expected
}

/// Whether `encoded`, of the modulus's length, is an encoding of `hash` for a modulus of `modulus_bits` bits
/// (§8.1.2 step 2c, §9.1.2). Destroys `encoded`.
pub(super) fn is_pss_encoding<H: SignatureHash>(
    encoded: &mut [u8],
    modulus_bits: usize,
    hash: &Output<H>,
) -> bool {
    // EM has one bit less than the modulus, so it may have one byte less: then the first byte must be zero.
    let bits = modulus_bits - 1;
    let length = bits.div_ceil(8);
    let Some((excess, encoded)) = encoded.split_at_mut_checked(encoded.len().wrapping_sub(length)) else {
        return false;
    };
    if excess.iter().any(|byte| *byte != 0) {
        return false;
    }
    // Step 4: the trailer. Step 5: maskedDB || H.
    let Some((TRAILER, rest)) = encoded.split_last_mut().map(|(last, rest)| (*last, rest)) else {
        return false;
    };
    let Some((db, seed)) = rest.split_at_mut_checked(rest.len().wrapping_sub(hash.len())) else {
        return false;
    };
    // Step 6: the bits that the modulus's length leaves unused.
    let unused_bits = 8 * length - bits;
    let Some(first) = db.first() else { return false };
    if first & !(0xff >> unused_bits) != 0 {
        return false;
    }
    // Steps 7 and 8: MGF1 (§B.2.1).
    for (counter, block) in (0_u32..).zip(db.chunks_mut(hash.len())) {
        let mask = H::new().chain_update(&*seed).chain_update(counter.to_be_bytes()).finalize();
        for (byte, mask) in block.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
    // Step 9.
    if let Some(first) = db.first_mut() {
        *first &= 0xff >> unused_bits;
    }
    // Steps 3 and 10: DB is 00..00 01 salt.
    let Some((filling, salt)) = db.split_at_checked(db.len().wrapping_sub(hash.len())) else {
        return false;
    };
    let Some((&0x01, zeros)) = filling.split_last() else { return false };
    if zeros.iter().any(|byte| *byte != 0) {
        return false;
    }
    // Steps 12 to 14.
    let expected = H::new().chain_update([0; 8]).chain_update(hash).chain_update(salt).finalize();
    *seed == *expected
}

/// The last byte of EM (RFC 8017 §9.1.1 step 12).
const TRAILER: u8 = 0xbc;
