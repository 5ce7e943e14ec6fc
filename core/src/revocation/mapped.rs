//! Live state in files that other processes map: `<path>` is the control page, `<path>.<generation>` a table,
//! `<path>.lock` what the one writer holds.
//!
//! The files are derived from a snapshot and an event log: lost or damaged, they are made again. They belong
//! in a directory that only the writer may write to, best in memory (`/run`), and nobody may shorten them while
//! they are mapped: the system would end the reading process.
#![allow(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use memmap2::{MmapOptions, MmapRaw};

use super::control::{
    CONTROL_WORDS, Control, ControlHeader, GENERATION_OFFSET, NO_GENERATION, RETIRED_GENERATION,
};
use super::live::Live;
use super::region::Region;
use super::state_error::StateError;
use super::sync::AtomicU64;
use super::table::Table;
use super::writer::{Storage, Writer, WriterSettings};

impl Live {
    /// Maps the state at `path` for reading. `key_id` names the caller's fingerprint key.
    ///
    /// # Errors
    /// Every [`StateError`] but those of writing: a file that is truncated, damaged, of another version or
    /// made with another key is refused.
    pub fn open(path: &Path, key_id: [u8; 8]) -> Result<Arc<Live>, StateError> {
        let file = File::open(path)?;
        let identity = Identity::of(&file)?;
        let control = Control::open(Region::Mapped(Mapping::new(&file, Access::Read)?))?;
        check_header(control.header(), key_id)?;
        let files = StateFiles { path: path.to_owned(), identity, key_id };
        let live = Live { control, table: ArcSwapOption::empty(), files: Some(files) };
        live.refresh()?;
        Ok(Arc::new(live))
    }
}

impl Writer {
    /// Opens the state at `path` for writing, or creates it. If what is there can be used, the writer goes on
    /// with it and [`sequence`](Writer::sequence) says where the event log continues; if not, the sequence is
    /// 0 and everything is to be inserted before the first commit, which is when readers move over.
    ///
    /// # Errors
    /// [`StateError::Locked`] names the process of another writer; [`StateError::Io`] otherwise.
    pub fn open(path: &Path, settings: WriterSettings, now: i64) -> Result<Self, StateError> {
        let lock = lock(path)?;
        let found = match open_control(path, settings.key_id) {
            Ok(found) => found,
            Err(_) => replace_control(path, settings.key_id, now)?,
        };
        Self::on_control(found, path, lock, settings, now)
    }

    /// The same without using what is there: everything is to be inserted before the first commit.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_anew(path: &Path, settings: WriterSettings, now: i64) -> Result<Self, StateError> {
        let lock = lock(path)?;
        let made = replace_control(path, settings.key_id, now)?;
        Self::on_control(made, path, lock, settings, now)
    }

    fn on_control(
        (file, control): (File, Control),
        path: &Path,
        lock: File,
        settings: WriterSettings,
        now: i64,
    ) -> Result<Self, StateError> {
        let files = WriterFiles { path: path.to_owned(), _lock: lock };
        let identity = Identity::of(&file)?;
        let moment = control.moment();
        let generation = moment.stamp.generation;
        let state_files = StateFiles { path: path.to_owned(), identity, key_id: settings.key_id };
        let live = Live { control, table: ArcSwapOption::empty(), files: Some(state_files) };
        files.remove_all_but(generation);
        let table = open_table(path, generation, settings.key_id, Access::Write);
        match table {
            Ok(table) => {
                let table = Arc::new(table);
                live.table.store(Some(Arc::clone(&table)));
                Ok(Writer::adopt(Arc::new(live), table, Storage::Files(files), settings, moment))
            }
            Err(_) => Writer::start(Arc::new(live), Storage::Files(files), settings, moment, now),
        }
    }
}

/// What a mapping is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// Words of a mapped file.
pub(crate) struct Mapping {
    map: MmapRaw,
    words: usize,
}

impl Mapping {
    fn new(file: &File, access: Access) -> Result<Self, StateError> {
        let words = whole_words(file)?;
        let mut options = MmapOptions::new();
        options.len(words * WORD_BYTES);
        let map = match access {
            Access::Read => options.map_raw_read_only(file)?,
            Access::Write => options.map_raw(file)?,
        };
        Ok(Mapping { map, words })
    }

    #[inline]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: the map is `words * 8` bytes long, lives as long as `self`, and begins at a page, so it is
        // aligned for AtomicU64, whose layout is that of u64; every bit pattern is valid. All access in this
        // process goes through these atomics, so what other processes store is never a data race. Where the map
        // is read-only nothing but Relaxed loads of 8 bytes happen (see `sync`), which Rust allows there.
        unsafe { core::slice::from_raw_parts(self.map.as_ptr().cast::<AtomicU64>(), self.words) }
    }
}

/// What a reader needs to follow the writer from file to file.
pub(crate) struct StateFiles {
    path: PathBuf,
    identity: Identity,
    key_id: [u8; 8],
}

impl StateFiles {
    /// Is the control page that is mapped still the one that the path names?
    pub(crate) fn still_current(&self) -> Result<(), StateError> {
        let file = File::open(&self.path)?;
        if Identity::of(&file)? == self.identity { Ok(()) } else { Err(StateError::Retired) }
    }

    /// Maps the table that is current now.
    pub(crate) fn map_current(&self, control: &Control) -> Result<Arc<Table>, StateError> {
        let mut last = StateError::NotPublished;
        let mut tried = NO_GENERATION;
        for _ in 0..MAX_CHASES {
            let generation = control.moment().stamp.generation;
            if generation == RETIRED_GENERATION {
                return Err(StateError::Retired);
            }
            if generation == tried {
                return Err(last);
            }
            match open_table(&self.path, generation, self.key_id, Access::Read) {
                Ok(table) => return Ok(Arc::new(table)),
                // The writer may have moved on, and removed the file, between the two steps.
                Err(error) => (last, tried) = (error, generation),
            }
        }
        Err(last)
    }
}

/// The writer's side of the files, and the lock as long as it lives.
pub(crate) struct WriterFiles {
    path: PathBuf,
    _lock: File,
}

impl WriterFiles {
    /// A table file of zeros. They are written, not just claimed: a disk that is full must be an error here
    /// and not a signal at the first store into the map.
    pub(crate) fn create_table(&self, generation: u64, words: usize) -> Result<Region, StateError> {
        let path = table_path(&self.path, generation);
        // A file of that name was never finished. It is not shortened but replaced, in case anyone maps it.
        let _ = fs::remove_file(&path);
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let zeros = vec![0; ZEROS_AT_ONCE];
        let mut left = words * WORD_BYTES;
        while left > 0 {
            let part = left.min(zeros.len());
            if let Err(error) = file.write_all(&zeros[..part]) {
                // Best effort: the error that matters is the one that is returned.
                let _ = fs::remove_file(&path);
                return Err(error.into());
            }
            left -= part;
        }
        Ok(Region::Mapped(Mapping::new(&file, Access::Write)?))
    }

    /// Readers that map the file keep it; only the name goes. A name that stays is removed at the next start.
    pub(crate) fn remove_table(&self, generation: u64) {
        let _ = fs::remove_file(table_path(&self.path, generation));
    }

    /// Removes what an interrupted writer left behind.
    pub(crate) fn remove_all_but(&self, generation: u64) {
        let Some(name) = self.path.file_name().and_then(OsStr::to_str) else { return };
        let directory = self.path.parent().filter(|path| !path.as_os_str().is_empty());
        let Ok(listing) = fs::read_dir(directory.unwrap_or(Path::new("."))) else { return };
        for found in listing.flatten() {
            let file_name = found.file_name();
            let Some(suffix) = file_name
                .to_str()
                .and_then(|other| other.strip_prefix(name))
                .and_then(|other| other.strip_prefix('.'))
            else {
                continue;
            };
            let digits = !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_digit());
            if digits && suffix.parse() != Ok(generation) {
                let _ = fs::remove_file(found.path());
            }
        }
    }
}

fn open_control(path: &Path, key_id: [u8; 8]) -> Result<(File, Control), StateError> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let control = Control::open(Region::Mapped(Mapping::new(&file, Access::Write)?))?;
    check_header(control.header(), key_id)?;
    if control.moment().stamp.generation == RETIRED_GENERATION {
        return Err(StateError::Retired);
    }
    Ok((file, control))
}

/// Makes a new control page, after telling the readers of the one that is there.
fn replace_control(path: &Path, key_id: [u8; 8], now: i64) -> Result<(File, Control), StateError> {
    if let Ok(mut old) = OpenOptions::new().read(true).write(true).open(path)
        && old.metadata()?.len() >= (CONTROL_WORDS * WORD_BYTES) as u64
    {
        old.seek(SeekFrom::Start(GENERATION_OFFSET))?;
        old.write_all(&RETIRED_GENERATION.to_le_bytes())?;
    }
    let temporary = with_suffix(path, "tmp");
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&temporary)?;
    file.write_all(&[0; CONTROL_WORDS * WORD_BYTES])?;
    let header = ControlHeader { created: now, key_id, boot: boot() };
    let control = Control::create(Region::Mapped(Mapping::new(&file, Access::Write)?), header)?;
    fs::rename(&temporary, path)?;
    Ok((file, control))
}

fn open_table(path: &Path, generation: u64, key_id: [u8; 8], access: Access) -> Result<Table, StateError> {
    if generation == NO_GENERATION {
        return Err(StateError::NotPublished);
    }
    let file =
        OpenOptions::new().read(true).write(access == Access::Write).open(table_path(path, generation))?;
    let table = Table::open(Region::Mapped(Mapping::new(&file, access)?))?;
    if table.header().generation != generation {
        return Err(StateError::Damaged);
    }
    if table.header().key_id != key_id {
        return Err(StateError::OtherKey);
    }
    Ok(table)
}

fn check_header(header: &ControlHeader, key_id: [u8; 8]) -> Result<(), StateError> {
    if header.key_id != key_id {
        return Err(StateError::OtherKey);
    }
    let now = boot();
    if header.boot != now && header.boot != 0 && now != 0 {
        return Err(StateError::OtherBoot);
    }
    Ok(())
}

/// Takes the writer's lock, and leaves the process id for those who come later.
fn lock(path: &Path) -> Result<File, StateError> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(with_suffix(path, "lock"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // What cannot be read only makes the error less precise.
            let _ = file.read_to_string(&mut text);
            return Err(StateError::Locked { pid: text.trim().parse().ok() });
        }
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

/// Names the time since the system was started: what was in memory only did not survive it.
fn boot() -> u64 {
    match fs::read("/proc/sys/kernel/random/boot_id") {
        Ok(id) => {
            let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(&id).as_bytes();
            u64::from_le_bytes([a, b, c, d, e, f, g, h]).max(1)
        }
        Err(_) => 0,
    }
}

fn whole_words(file: &File) -> Result<usize, StateError> {
    let bytes = usize::try_from(file.metadata()?.len()).map_err(|_| StateError::Truncated)?;
    if bytes == 0 || bytes % WORD_BYTES != 0 {
        return Err(StateError::Truncated);
    }
    Ok(bytes / WORD_BYTES)
}

fn table_path(path: &Path, generation: u64) -> PathBuf {
    with_suffix(path, &generation.to_string())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Which file it is, whatever its name.
#[derive(PartialEq, Eq)]
struct Identity {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    inode: u64,
}

impl Identity {
    #[cfg(unix)]
    fn of(file: &File) -> Result<Self, StateError> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = file.metadata()?;
        Ok(Identity { device: metadata.dev(), inode: metadata.ino() })
    }

    /// Windows does not let a file be replaced while it is mapped, so it is always the same one.
    #[cfg(not(unix))]
    fn of(_: &File) -> Result<Self, StateError> {
        Ok(Identity {})
    }
}

const WORD_BYTES: usize = size_of::<AtomicU64>();

/// How often a reader follows a writer that moves on before the file is open. Each time is a whole rebuild.
const MAX_CHASES: usize = 8;

const ZEROS_AT_ONCE: usize = 1 << 20;
