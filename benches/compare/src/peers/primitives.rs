//! The signature alone, by several libraries: the floor under every validator that uses them.

use std::hint::black_box;

use libtoken::codec::base64url;
use libtoken::jose::algorithm::Algorithm;

use crate::rounds::{Case, Group};
use crate::tokens::Tokens;

/// PKCS#1 RSAPublicKey (RFC 8017 §A.1.1) up to the modulus of 2048 bits, and after it with e = 65537.
const RSA_DER_START: [u8; 9] = [0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00];
const RSA_DER_END: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];

/// The libraries that can check this algorithm; `None` if it is not compared.
pub fn group(tokens: &Tokens) -> Option<Group<'_>> {
    let key = tokens.fixture.key.public_bytes();
    let (message, signature) = tokens.good.rsplit_once('.')?;
    let message = message.as_bytes();
    let signature = base64url::decode_to_vec(signature.as_bytes()).ok()?;
    let mut group = Group::new(format!("{} signature alone, {} bytes", tokens.name(), message.len()));
    let mut add = |name: &str, verify: Verify| {
        let mut wrong = signature.clone();
        wrong[1] ^= 1;
        assert!(!verify(message, &wrong), "{name} accepts a wrong signature");
        let signature = signature.clone();
        group.add(Case::new(name, move || assert!(verify(black_box(message), black_box(&signature)))));
    };
    match tokens.fixture.algorithm {
        Algorithm::EdDsa => ed25519(&mut add, key.try_into().ok()?),
        Algorithm::Es256 => p256(&mut add, [&[4], key.as_slice()].concat()),
        Algorithm::Rs256 => rsa(&mut add, [&RSA_DER_START, key.as_slice(), &RSA_DER_END].concat()),
        Algorithm::Hs256 => hmac_sha256(&mut add, &key),
        _ => return None,
    }
    Some(group)
}

/// Whether a signature, the second argument, is good for a message.
type Verify = Box<dyn Fn(&[u8], &[u8]) -> bool>;

/// Takes a library's name and its verification.
type Add<'a> = dyn FnMut(&str, Verify) + 'a;

fn ed25519(add: &mut Add<'_>, key: [u8; 32]) {
    let dalek = ed25519_dalek::VerifyingKey::from_bytes(&key).expect("a key");
    add(
        "dalek verify_strict",
        Box::new(move |message, signature| {
            let signature = ed25519_dalek::Signature::from_slice(signature);
            signature.is_ok_and(|signature| dalek.verify_strict(message, &signature).is_ok())
        }),
    );
    add(
        "dalek verify",
        Box::new(move |message, signature| {
            let signature = ed25519_dalek::Signature::from_slice(signature);
            signature.is_ok_and(|s| ed25519_dalek::Verifier::verify(&dalek, message, &s).is_ok())
        }),
    );
    let graviola = graviola::signing::eddsa::Ed25519VerifyingKey::from_bytes(&key).expect("a key");
    add("graviola", Box::new(move |message, signature| graviola.verify(signature, message).is_ok()));
    let aws = aws_lc_rs::signature::ParsedPublicKey::new(&aws_lc_rs::signature::ED25519, key).expect("a key");
    add(
        "aws-lc-rs, parsed key",
        Box::new(move |message, signature| aws.verify_sig(message, signature).is_ok()),
    );
    let ring = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, key);
    add("ring", Box::new(move |message, signature| ring.verify(message, signature).is_ok()));
}

fn p256(add: &mut Add<'_>, key: Vec<u8>) {
    use graviola::signing::ecdsa;
    let graviola = ecdsa::VerifyingKey::<ecdsa::P256>::from_x962_uncompressed(&key).expect("a key");
    add(
        "graviola",
        Box::new(move |message, signature| {
            graviola.verify::<graviola::hashing::Sha256>(&[message], signature).is_ok()
        }),
    );
    let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED;
    let aws = aws_lc_rs::signature::ParsedPublicKey::new(algorithm, &key).expect("a key");
    add(
        "aws-lc-rs, parsed key",
        Box::new(move |message, signature| aws.verify_sig(message, signature).is_ok()),
    );
    let ring = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, key);
    add("ring", Box::new(move |message, signature| ring.verify(message, signature).is_ok()));
}

fn rsa(add: &mut Add<'_>, der: Vec<u8>) {
    let graviola = graviola::signing::rsa::VerifyingKey::from_pkcs1_der(&der).expect("a key");
    add(
        "graviola",
        Box::new(move |message, signature| graviola.verify_pkcs1_sha256(signature, message).is_ok()),
    );
    let algorithm = &aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256;
    let aws = aws_lc_rs::signature::ParsedPublicKey::new(algorithm, &der).expect("a key");
    add(
        "aws-lc-rs, parsed key",
        Box::new(move |message, signature| aws.verify_sig(message, signature).is_ok()),
    );
    let ring = ring::signature::UnparsedPublicKey::new(&ring::signature::RSA_PKCS1_2048_8192_SHA256, der);
    add("ring", Box::new(move |message, signature| ring.verify(message, signature).is_ok()));
}

fn hmac_sha256(add: &mut Add<'_>, secret: &[u8]) {
    use hmac::{KeyInit, Mac};
    let prepared = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret).expect("any length");
    add(
        "RustCrypto, key absorbed once",
        Box::new(move |message, tag| prepared.clone().chain_update(message).verify_slice(tag).is_ok()),
    );
    let aws = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    add("aws-lc-rs", Box::new(move |message, tag| aws_lc_rs::hmac::verify(&aws, message, tag).is_ok()));
    let ring = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    add("ring", Box::new(move |message, tag| ring::hmac::verify(&ring, message, tag).is_ok()));
}
