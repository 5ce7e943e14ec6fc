//! The files of a state directory: how they are made, replaced, locked and kept private.

use core::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::super::delta::Position;
use super::super::fingerprint::FingerprintKey;
use super::super::signing::Signer;
use super::{NewSecrets, StoreError};

pub(super) const BASE: &str = "base.snapshot";
pub(super) const LOG: &str = "events.log";
pub(super) const LOG_EXTENSION: &str = "log";
pub(super) const ARCHIVE: &str = "archive";
pub(super) const NODES: &str = "nodes";
#[cfg(all(any(unix, windows), not(loom)))]
pub(super) const LIVE: &str = "live";
const LOCK: &str = "writer.lock";
const FINGERPRINT_KEY: &str = "fingerprint.key";
const SIGNING_KEY: &str = "signing.key";

/// A part of the state directory, for error texts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreFile {
    /// The directory itself.
    Directory,
    /// `writer.lock`
    Lock,
    /// `fingerprint.key`
    FingerprintKey,
    /// `signing.key`
    SigningKey,
    /// `base.snapshot`
    Base,
    /// `events.log`
    Log,
    /// A log in `archive/`.
    Archive,
    /// A report in `nodes/`.
    Node,
}

impl fmt::Display for StoreFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StoreFile::Directory => "the directory",
            StoreFile::Lock => LOCK,
            StoreFile::FingerprintKey => FINGERPRINT_KEY,
            StoreFile::SigningKey => SIGNING_KEY,
            StoreFile::Base => BASE,
            StoreFile::Log => LOG,
            StoreFile::Archive => ARCHIVE,
            StoreFile::Node => NODES,
        })
    }
}

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Privacy {
    /// Whom the umask and the directory let.
    Ordinary,
    /// Its owner.
    Secret,
}

/// The keys of a deployment.
pub(super) struct Secrets {
    pub(super) fingerprint_key: FingerprintKey,
    pub(super) signer: Option<Signer>,
}

impl Secrets {
    pub(super) fn create(directory: &Path, new: &NewSecrets) -> Result<Self, StoreError> {
        let text = match &new.fingerprint_key {
            FingerprintKey::SipHash13(key) => format!("{SIPHASH} {}\n", hex(key)),
            FingerprintKey::Blake3(key) => format!("{BLAKE3} {}\n", hex(key)),
        };
        replace(directory, FINGERPRINT_KEY, text.as_bytes(), Privacy::Secret)?;
        let signer = match &new.signer_seed {
            Some(seed) => {
                let text = format!("{ED25519} {}\n", hex(&seed.0));
                replace(directory, SIGNING_KEY, text.as_bytes(), Privacy::Secret)?;
                Some(Signer::from_seed(&seed.0))
            }
            None => None,
        };
        Ok(Secrets { fingerprint_key: new.fingerprint_key.clone(), signer })
    }

    pub(super) fn open(directory: &Path) -> Result<Self, StoreError> {
        let fingerprint_key = fingerprint_key_for_reading(directory)?;
        let signer = match read_secret(directory, SIGNING_KEY, StoreFile::SigningKey, OTHERS)? {
            Some(text) => {
                let seed = text.strip_prefix(ED25519).and_then(|rest| rest.strip_prefix(' ')).and_then(unhex);
                Some(Signer::from_seed(&seed.ok_or(StoreError::Malformed(StoreFile::SigningKey))?))
            }
            None => None,
        };
        Ok(Secrets { fingerprint_key, signer })
    }

    /// The key that seals the base.
    pub(super) fn seal(&self) -> Signer {
        let key: &[u8] = match &self.fingerprint_key {
            FingerprintKey::SipHash13(key) => key,
            FingerprintKey::Blake3(key) => key,
        };
        Signer::from_seed(blake3::Hasher::new_derive_key(SEAL_CONTEXT).update(key).finalize().as_bytes())
    }
}

/// The key of all fingerprints. Verifiers that run as other users share a group with the writer.
pub(super) fn fingerprint_key_for_reading(directory: &Path) -> Result<FingerprintKey, StoreError> {
    let file = StoreFile::FingerprintKey;
    let text = read_secret(directory, FINGERPRINT_KEY, file, OTHERS_BUT_READING_GROUP)?
        .ok_or(StoreError::Io { file, kind: io::ErrorKind::NotFound })?;
    let key = match text.split_once(' ') {
        Some((SIPHASH, key)) => unhex(key).map(FingerprintKey::SipHash13),
        Some((BLAKE3, key)) => unhex(key).map(FingerprintKey::Blake3),
        Some(_) | None => None,
    };
    key.ok_or(StoreError::Malformed(file))
}

pub(super) fn io_error(file: StoreFile) -> impl Fn(io::Error) -> StoreError {
    move |error| StoreError::Io { file, kind: error.kind() }
}

/// An empty directory beside `directory`, in which a state is made that appears by one rename.
pub(super) fn building_directory(directory: &Path) -> Result<PathBuf, StoreError> {
    let mut name = directory.file_name().ok_or(StoreError::Malformed(StoreFile::Directory))?.to_owned();
    name.push(".new");
    let building = directory.with_file_name(name);
    let error = io_error(StoreFile::Directory);
    match fs::remove_dir_all(&building) {
        Err(failed) if failed.kind() != io::ErrorKind::NotFound => return Err(error(failed)),
        Ok(()) | Err(_) => {}
    }
    fs::create_dir_all(&building).map_err(&error)?;
    for part in [ARCHIVE, NODES] {
        fs::create_dir(building.join(part)).map_err(&error)?;
    }
    Ok(building)
}

pub(super) fn finish_building(building: &Path, directory: &Path) -> Result<(), StoreError> {
    sync_directory(building)?;
    fs::rename(building, directory).map_err(io_error(StoreFile::Directory))?;
    match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
        Some(_) | None => sync_directory(Path::new(".")),
    }
}

pub(super) fn lock(directory: &Path) -> Result<File, StoreError> {
    let error = io_error(StoreFile::Lock);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join(LOCK))
        .map_err(&error)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // What cannot be read only makes the error less precise.
            let _ = file.read_to_string(&mut text);
            return Err(StoreError::Locked { pid: text.trim().parse().ok() });
        }
        Err(TryLockError::Error(failed)) => return Err(error(failed)),
    }
    file.set_len(0).map_err(&error)?;
    writeln!(file, "{}", std::process::id()).map_err(&error)?;
    Ok(file)
}

pub(super) fn open_log(directory: &Path) -> Result<File, StoreError> {
    OpenOptions::new().read(true).write(true).open(directory.join(LOG)).map_err(io_error(StoreFile::Log))
}

pub(super) fn open_log_for_reading(directory: &Path) -> Result<File, StoreError> {
    File::open(directory.join(LOG)).map_err(io_error(StoreFile::Log))
}

/// A new file that its owner alone can read: logs name people.
pub(super) fn create_new(directory: &Path, name: &str) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    make_private(&mut options);
    options.open(directory.join(name)).map_err(io_error(file_of(name)))
}

/// The same under the temporary name of `name`, emptied if a crash left one.
pub(super) fn create_temporary(directory: &Path, name: &str) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    make_private(&mut options);
    options.open(temporary(directory, name)).map_err(io_error(file_of(name)))
}

/// Puts the temporary file, which was forced to disk, in place of `name`.
pub(super) fn rename_temporary(directory: &Path, name: &str) -> Result<(), StoreError> {
    fs::rename(temporary(directory, name), directory.join(name)).map_err(io_error(file_of(name)))?;
    sync_directory(directory)
}

/// Replaces `name` by a file with these bytes: after a crash it is the old or the new one.
pub(super) fn replace(
    directory: &Path,
    name: &str,
    bytes: &[u8],
    privacy: Privacy,
) -> Result<(), StoreError> {
    let error = io_error(file_of(name));
    let path = temporary(directory, name);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    if privacy == Privacy::Secret {
        make_private(&mut options);
    }
    let written = options.open(&path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(failed) = written {
        // On a full disk, the half of a file would only be in the way.
        let _ = fs::remove_file(&path);
        return Err(error(failed));
    }
    rename_temporary(directory, name)
}

/// Keeps the current log under a name that tells which events it has.
pub(super) fn archive_log(directory: &Path, start: &Position, end: &Position) -> Result<(), StoreError> {
    let error = io_error(StoreFile::Archive);
    let (first, last) = (start.sequence + 1, end.sequence);
    let name = format!("events-{:020}-{first:020}-{last:020}.{LOG_EXTENSION}", start.generation);
    let archived = directory.join(ARCHIVE).join(name);
    match fs::remove_file(&archived) {
        Err(failed) if failed.kind() != io::ErrorKind::NotFound => return Err(error(failed)),
        Ok(()) | Err(_) => {}
    }
    // A second name, so that there is a log at every moment; not every file system has them.
    if fs::hard_link(directory.join(LOG), &archived).is_err() {
        fs::copy(directory.join(LOG), &archived).map_err(&error)?;
        File::open(&archived).and_then(|file| file.sync_all()).map_err(&error)?;
    }
    sync_directory(&directory.join(ARCHIVE))
}

fn temporary(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!(".{name}.tmp"))
}

fn file_of(name: &str) -> StoreFile {
    match name {
        BASE => StoreFile::Base,
        LOG => StoreFile::Log,
        FINGERPRINT_KEY => StoreFile::FingerprintKey,
        SIGNING_KEY => StoreFile::SigningKey,
        _ => StoreFile::Node,
    }
}

/// `forbidden` are the permissions that nobody may have.
fn read_secret(
    directory: &Path,
    name: &str,
    part: StoreFile,
    forbidden: u32,
) -> Result<Option<String>, StoreError> {
    let mut file = match File::open(directory.join(name)) {
        Err(failed) if failed.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(io_error(part))?,
    };
    check_private(&file, part, forbidden)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(io_error(part))?;
    Ok(Some(text.trim_end().to_owned()))
}

#[cfg(unix)]
fn make_private(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600);
}

#[cfg(unix)]
fn check_private(file: &File, part: StoreFile, forbidden: u32) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata().map_err(io_error(part))?.permissions().mode();
    if mode & forbidden == 0 { Ok(()) } else { Err(StoreError::Exposed(part)) }
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(io_error(StoreFile::Directory))
}

/// Elsewhere the access control list of the directory decides.
#[cfg(not(unix))]
fn make_private(_: &mut OpenOptions) {}

#[cfg(not(unix))]
fn check_private(_: &File, _: StoreFile, _: u32) -> Result<(), StoreError> {
    Ok(())
}

/// Elsewhere a directory cannot be opened like a file; a rename is written through by the file system.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> Result<(), StoreError> {
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect::<Option<Vec<u8>>>()?;
    if rest.is_empty() { bytes.try_into().ok() } else { None }
}

/// Every permission of group and others.
const OTHERS: u32 = 0o077;
/// The same without reading by the group.
const OTHERS_BUT_READING_GROUP: u32 = 0o037;
const SIPHASH: &str = "siphash-1-3-128";
const BLAKE3: &str = "blake3";
const ED25519: &str = "ed25519";
const SEAL_CONTEXT: &str = "libtoken 2026-01 revocation base seal";
