//! Reading what was recorded: for lists, exports and the status of an operation. Needs no lock; a writer may
//! be appending meanwhile.

use std::fs::{self, File};
use std::path::Path;

use super::super::event::OperationId;
use super::super::log::{self, LogRecord};
use super::files::{ARCHIVE, StoreFile, io_error, open_log_for_reading};
use super::nodes::{NodeReport, nodes};
use super::{StoreError, files};

/// How far an operation has got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OperationStatus {
    /// The numbering of its events.
    pub generation: u64,
    /// How many events it has so far.
    pub events: u64,
    /// The number of its first event.
    pub first_seq: u64,
    /// The number of its last event.
    pub last_seq: u64,
    /// Every node that reports.
    pub nodes: Vec<NodeReport>,
}

impl OperationStatus {
    /// The nodes that have not applied all of it yet. A node that is silent counts until it is forgotten.
    pub fn pending(&self) -> impl Iterator<Item = &NodeReport> {
        let needed = (self.generation, self.last_seq);
        self.nodes.iter().filter(move |node| (node.generation, node.applied_seq) < needed)
    }

    /// Whether all nodes have applied it. `false` if no node reports.
    #[must_use]
    pub fn is_applied_everywhere(&self) -> bool {
        !self.nodes.is_empty() && self.pending().next().is_none()
    }
}

/// How far the operation with this id has got; `None` if no event of it was recorded.
///
/// # Errors
/// What reading the logs and the nodes' reports reports.
pub fn operation_status(
    directory: &Path,
    operation: OperationId,
) -> Result<Option<OperationStatus>, StoreError> {
    let mut status: Option<OperationStatus> = None;
    records(directory, |generation, record| {
        if record.event.fields().operation != operation {
            return;
        }
        let status = status.get_or_insert(OperationStatus {
            generation,
            events: 0,
            first_seq: record.sequence,
            last_seq: record.sequence,
            nodes: Vec::new(),
        });
        status.events += 1;
        status.last_seq = record.sequence;
    })?;
    match status {
        Some(status) => Ok(Some(OperationStatus { nodes: nodes(directory)?, ..status })),
        None => Ok(None),
    }
}

/// Calls `each` with the generation and the record of every event that is still in the directory, oldest first:
/// those of archived logs, then those of the current one.
///
/// # Errors
/// [`StoreError::Log`] if a log is damaged, or what the file system reports.
pub fn records(directory: &Path, mut each: impl FnMut(u64, LogRecord)) -> Result<(), StoreError> {
    // Opened first: if the writer archives it meanwhile, its events come twice and the second time is skipped.
    let mut current = open_log_for_reading(directory)?;
    let mut last = (0, 0);
    let error = io_error(StoreFile::Archive);
    let mut archived = Vec::new();
    for file in fs::read_dir(directory.join(ARCHIVE)).map_err(&error)? {
        let path = file.map_err(&error)?.path();
        if path.extension().is_some_and(|extension| extension == files::LOG_EXTENSION) {
            archived.push(path);
        }
    }
    // The names are generation, first and last event, with leading zeros.
    archived.sort();
    for path in archived {
        let mut file = File::open(path).map_err(&error)?;
        read(&mut file, &mut last, &mut each)?;
    }
    read(&mut current, &mut last, &mut each)
}

fn read(
    file: &mut File,
    last: &mut (u64, u64),
    each: &mut impl FnMut(u64, LogRecord),
) -> Result<(), StoreError> {
    let generation = log::start(file).map_err(StoreError::Log)?.position.generation;
    log::read(file, |record| {
        let number = (generation, record.sequence);
        if number > *last {
            *last = number;
            each(generation, record);
        }
    })
    .map(drop)
    .map_err(StoreError::Log)
}
