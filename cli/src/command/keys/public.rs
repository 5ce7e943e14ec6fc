//! `libtoken keys public`: what may be published of private keys.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use libtoken::codec::json::{OwnedDocument, Value, write_string};
use libtoken::jose::algorithm::KeyType;
use libtoken::jose::jwk::{Jwk, KeyProblem};
use libtoken_mint::PrivateKey;

use crate::failure::{Failure, Outcome};
use crate::files::{self, Access, Existing};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// JWK or JWK Set files, private or public; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Where to write the JWK Set (default: standard output)
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    out: PathBuf,

    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    let mut keys = Vec::new();
    for file in &args.files {
        let json = files::read_document(file)?;
        let document = OwnedDocument::parse(&json)
            .map_err(|e| Failure::new(files::name(file), e, "a JWK or a JWK Set is needed"))?;
        let root = document.root();
        match root.member("keys").and_then(|keys| keys.items()) {
            Some(items) => {
                for (place, key) in items.enumerate() {
                    keys.extend(public(key, file, &format!("key {place}"))?);
                }
            }
            None => keys.extend(public(root, file, "the key")?),
        }
    }
    if keys.is_empty() {
        let what = "none of the keys has a public part";
        return Err(Failure::new("keys public", what, "shared secrets cannot be published"));
    }
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    let set = format!("{{\"keys\":[\n{}\n]}}\n", keys.join(",\n"));
    files::write(&args.out, &set, Access::Default, existing)?;
    Ok(Outcome::Good)
}

/// The public JWK of one key; `None` for a shared secret, which is told on standard error.
fn public(key: Value<'_>, file: &Path, place: &str) -> Result<Option<String>, Failure> {
    let place = format!("{}: {place}", files::name(file));
    let public = match Jwk::read(key) {
        // Its public members may not belong to its private ones, so they are computed.
        Err(KeyProblem::PrivateKey) => PrivateKey::from_jwk_value(key)
            .map_err(|e| Failure::new(&place, e, "make a new one with `libtoken keys generate`"))?
            .public_jwk(),
        Ok(jwk) if jwk.material.key_type() == KeyType::Oct => {
            let _ = writeln!(io::stderr(), "warning: {place} is a shared secret and is left out");
            return Ok(None);
        }
        Ok(_) => public_members(key),
        Err(problem) => return Err(Failure::new(place, problem, "`libtoken keys check FILE` explains it")),
    };
    Ok(Some(public))
}

/// The members of a public JWK that a verifier reads; whatever else it holds is not published.
fn public_members(key: Value<'_>) -> String {
    const MEMBERS: [&str; 9] = ["kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"];
    let mut text = String::from("{");
    for name in MEMBERS {
        if let Some(value) = key.member(name) {
            let comma = if text.len() > 1 { "," } else { "" };
            text += comma;
            // Writing to a string cannot fail.
            let _ = write_string(name, &mut text);
            text += &format!(":{value}");
        }
    }
    text + "}"
}
