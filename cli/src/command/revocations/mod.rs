//! `libtoken revocations`: a state directory from its beginning to its checks.

mod check;
mod list;
mod stats;
mod status;
mod verify;

use std::io::{self, Write};
use std::path::Path;

use libtoken::revocation::FingerprintKey;
use libtoken::revocation::store::{NewSecrets, SignerSeed, Store, forget_node, nodes};

use crate::clock;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::show;
use crate::state::{StateArgs, failure, open_store, retention};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make a state directory with new secrets
    Init(InitArgs),
    /// List recorded events
    List(list::ListArgs),
    /// Print events as JSON lines that `libtoken revoke --from` reads
    Export(list::ExportArgs),
    /// Is this value or token revoked, and by which event?
    Check(check::Args),
    /// How far is an operation applied?
    Status(status::Args),
    /// Entries, sequence, age and sizes
    Stats(stats::Args),
    /// Check that log, base and live table are whole and agree
    Verify(verify::Args),
    /// Bring the live table up to date, or make it again, and say that the state is complete as of now
    Refresh(WriterArgs),
    /// Write a new base without what has expired, and begin a new log
    Compact(WriterArgs),
    /// List the nodes that report what they have applied, or forget one
    Nodes(NodesArgs),
}

#[derive(clap::Args)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    state: StateArgs,

    /// Fingerprints of revoked values: `siphash`, or `blake3` where followers that are not trusted know the key
    #[arg(long, value_name = "HASH", default_value = "siphash", value_parser = ["siphash", "blake3"])]
    fingerprints: String,
}

#[derive(clap::Args)]
pub(crate) struct WriterArgs {
    #[command(flatten)]
    state: StateArgs,
}

#[derive(clap::Args)]
pub(crate) struct NodesArgs {
    #[command(flatten)]
    state: StateArgs,

    /// Remove the report of a node that is gone for good
    #[arg(long, value_name = "NAME")]
    forget: Option<String>,
}

impl Command {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        match self {
            Command::Init(args) => init(args),
            Command::List(args) => list::list(args),
            Command::Export(args) => list::export(args),
            Command::Check(args) => check::run(args),
            Command::Status(args) => status::run(args),
            Command::Stats(args) => stats::run(args),
            Command::Verify(args) => verify::run(args),
            Command::Refresh(args) => refresh(args),
            Command::Compact(args) => compact(args),
            Command::Nodes(args) => list_nodes(args),
        }
    }
}

fn init(args: &InitArgs) -> Result<Outcome, Failure> {
    let directory = args.state.directory()?;
    let retention = match args.state.policy_file() {
        Some(_) => retention(&args.state.policy()?),
        None => 0,
    };
    let fingerprint_key = match args.fingerprints.as_str() {
        "blake3" => FingerprintKey::Blake3(crate::random::bytes()?),
        _ => FingerprintKey::SipHash13(crate::random::bytes()?),
    };
    let secrets = NewSecrets { fingerprint_key, signer_seed: Some(SignerSeed(crate::random::bytes()?)) };
    let now = clock::now();
    Store::create(&directory, &secrets, now).map_err(|e| failure(&directory, &e))?;
    let store = open_store(&directory, retention)?;
    store.open_live(now).map_err(|e| failure(&directory, &e))?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}: state directory made", files::name(&directory))?;
    if let Some(key) = store.public_key() {
        writeln!(out, "public key {}", hex(&key))?;
    }
    store.close().map_err(|e| failure(&directory, &e))?;
    Ok(Outcome::Good)
}

fn refresh(args: &WriterArgs) -> Result<Outcome, Failure> {
    // Opening for writing does all of it.
    let open = args.state.open()?;
    let (sequence, stats) = (open.live.sequence(), open.live.stats());
    let entries = show::grouped(stats.entries as u64);
    writeln!(io::stdout(), "live table complete up to sequence {sequence}, with {entries} entries")?;
    Ok(Outcome::Good)
}

fn compact(args: &WriterArgs) -> Result<Outcome, Failure> {
    let mut open = args.state.open()?;
    let before = open.store.log_bytes() + open.store.base_bytes() as u64;
    open.store.compact(clock::now()).map_err(|e| open.failure(&e))?;
    let after = open.store.log_bytes() + open.store.base_bytes() as u64;
    let (before, after) = (show::grouped(before), show::grouped(after));
    writeln!(io::stdout(), "{before} bytes of log and base before, {after} now; the old log is in archive/")?;
    Ok(Outcome::Good)
}

fn list_nodes(args: &NodesArgs) -> Result<Outcome, Failure> {
    let directory = args.state.existing_directory()?;
    if let Some(name) = &args.forget {
        forget_node(&directory, name).map_err(|e| failure(&directory, &e))?;
        return Ok(Outcome::Good);
    }
    let now = clock::now();
    let mut out = io::stdout().lock();
    let reports = nodes(&directory).map_err(|e| failure(&directory, &e))?;
    if reports.is_empty() {
        writeln!(out, "no node has reported; verifiers on this machine map the live table and need not")?;
    }
    for node in reports {
        let (name, pid, sequence) = (node.name, node.pid, node.applied_seq);
        let reported = clock::relative(node.updated_at, now);
        writeln!(out, "{name}: sequence {sequence}, process {pid}, reported {reported}")?;
    }
    Ok(Outcome::Good)
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The public key of a state directory, where this user may read the secret one.
fn public_key(directory: &Path) -> Option<[u8; 32]> {
    libtoken::revocation::store::public_key(directory).ok().flatten()
}
