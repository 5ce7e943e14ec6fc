//! `libtoken keys generate`: a new private key.

use std::io::{self, Write};
use std::path::PathBuf;

use libtoken::jose::algorithm::{Algorithm, KeyType};
use libtoken::limits::{MAX_KID_BYTES, MAX_RSA_BITS, MIN_RSA_BITS};
use libtoken_mint::{PrivateKey, Rng};

use crate::failure::{Failure, Outcome};
use crate::files::{self, Access, Existing};
use crate::random;
use crate::verifier_args::algorithm;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What the key is for: EdDSA, ES256, ES384, RS256, PS256, HS256 and so on
    #[arg(long, short, value_name = "ALGORITHM", value_parser = algorithm)]
    algorithm: Algorithm,

    /// Where to write the private JWK (mode 0600); `-` prints it
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,

    /// Write the public JWK Set to this file as well
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,

    /// The key's `kid` (default: its thumbprint, RFC 7638; random for a shared secret)
    #[arg(long, value_name = "KID", value_parser = kid)]
    kid: Option<String>,

    /// Size of an RSA key
    #[arg(long, value_name = "BITS", default_value_t = DEFAULT_RSA_BITS, value_parser = rsa_bits)]
    bits: usize,

    /// Replace files that exist; the key in them is lost
    #[arg(long)]
    force: bool,

    /// For test data: derive the key from this number. Everybody can make the same key
    #[arg(long, value_name = "NUMBER")]
    insecure_seed: Option<u64>,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    let is_secret = args.algorithm.key_type() == KeyType::Oct;
    if is_secret && args.public.is_some() {
        let what = "a shared secret has no public part";
        return Err(Failure::new("--public", what, "leave it out, or choose another algorithm"));
    }
    let mut rng = random::generator(args.insecure_seed)?;
    let mut key = PrivateKey::generate(args.algorithm, args.bits, args.kid.clone(), &mut rng)
        .map_err(|e| Failure::new("keys generate", e, "choose other --bits"))?;
    if key.kid.is_none() {
        // The thumbprint of a shared secret would tell something about the secret (RFC 7638 §7).
        key.kid = Some(if is_secret {
            format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64())
        } else {
            key.thumbprint()
        });
    }
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    files::write(&args.out, &(key.private_jwk() + "\n"), Access::Owner, existing)?;
    if let Some(public) = &args.public {
        let set = format!("{{\"keys\":[{}]}}\n", key.public_jwk());
        files::write(public, &set, Access::Default, existing)?;
    }
    if !files::is_stdio(&args.out) {
        let kid = key.kid.as_deref().unwrap_or_default();
        let (name, file) = (args.algorithm.name(), files::name(&args.out));
        // The key is written; a closed standard error changes nothing about that.
        let _ = writeln!(io::stderr(), "{file}: private key for {name}, kid {kid}");
    }
    Ok(Outcome::Good)
}

fn rsa_bits(text: &str) -> Result<usize, String> {
    let in_range = text.parse().ok().filter(|bits| (MIN_RSA_BITS..=MAX_RSA_BITS).contains(bits));
    in_range.ok_or_else(|| format!("must be {MIN_RSA_BITS} to {MAX_RSA_BITS}"))
}

fn kid(text: &str) -> Result<String, String> {
    if (1..=MAX_KID_BYTES).contains(&text.len()) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("must have 1 to {MAX_KID_BYTES} bytes and no control characters"))
    }
}

/// What most issuers use, and the least that RFC 7518 §3.3 allows.
const DEFAULT_RSA_BITS: usize = 2_048;
