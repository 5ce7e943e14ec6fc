//! Runs one hot path a number of times, for tools that count instructions: `hot-path <path> <times>`.
//! Without arguments it prints the names of the paths. Driven by benches/instructions.

use std::hint::black_box;
use std::process::ExitCode;

use libtoken::crypto::Backends;
use libtoken::jose::algorithm::Algorithm;
use libtoken::jose::claims::{Claims, Registered};
use libtoken::verify::{Request, Verifier};
use libtoken_benches::{EXPIRES_AT, Fixture, NOW, accept, payload_buffer, scan};

/// Its name, and what runs it that many times.
type Path = (&'static str, fn(usize));

/// RSA is left out: making its key takes longer under an instruction counter than all else together, and its
/// path differs from the others in the backend only.
const PATHS: [Path; 8] = [
    ("all-but-signature", |times| all_but_signature(1, 1, times)),
    ("all-but-signature-new-header", |times| all_but_signature(1, 32, times)),
    ("all-but-signature-10-issuers", |times| all_but_signature(10, 1, times)),
    ("hs256", |times| whole(Algorithm::Hs256, times)),
    ("eddsa", |times| whole(Algorithm::EdDsa, times)),
    ("refuse-expired", refuse_expired),
    ("scan-payload", scan_payload),
    ("locate-claims", locate_claims),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        PATHS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let path = arguments.first().and_then(|name| PATHS.iter().find(|(path, _)| path == name));
    let times = arguments.get(1).and_then(|times| times.parse().ok());
    match (path, times) {
        (Some((_, run)), Some(times)) => {
            run(times);
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: hot-path <path> <times>; without arguments, the paths are listed");
            ExitCode::FAILURE
        }
    }
}

fn whole(algorithm: Algorithm, times: usize) {
    let fixture = Fixture::new(algorithm);
    accept_all(&fixture.verifier(1, Backends::Fastest), &[fixture.token], times);
}

fn all_but_signature(issuers: usize, headers: usize, times: usize) {
    let fixture = Fixture::new(Algorithm::EdDsa);
    let tokens = fixture.tokens_with_new_headers(headers);
    accept_all(&fixture.verifier(issuers, Backends::Unchecked), &tokens, times);
}

fn accept_all(verifier: &Verifier, tokens: &[String], times: usize) {
    let mut scratch = verifier.scratch();
    for token in tokens.iter().cycle().take(times) {
        black_box(accept(verifier, black_box(token.as_bytes()), &mut scratch));
    }
}

fn refuse_expired(times: usize) {
    let fixture = Fixture::new(Algorithm::EdDsa);
    let verifier = fixture.verifier(1, Backends::Unchecked);
    let mut scratch = verifier.scratch();
    let late = EXPIRES_AT + NOW;
    for _ in 0..times {
        let token = black_box(fixture.token.as_bytes());
        let refused = verifier.verify(token, &Request::new(), late, &mut scratch).is_err();
        assert!(refused, "expired");
    }
}

fn scan_payload(times: usize) {
    let mut payload = payload_buffer();
    for _ in 0..times {
        assert!(black_box(scan(&mut payload)).root().members().is_some());
    }
}

fn locate_claims(times: usize) {
    let mut payload = payload_buffer();
    scan(&mut payload);
    for _ in 0..times {
        let document = black_box(payload.document());
        let claims = Claims::new(document, Registered::locate(document).expect("claims"));
        assert!(claims.expires_at().is_some_and(|exp| exp.floor() == EXPIRES_AT));
    }
}
