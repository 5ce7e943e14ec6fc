//! What each verifying process has applied: one small file per node, written by the node itself.

use core::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use super::StoreError;
use super::files::{NODES, Privacy, StoreFile, io_error, replace};

/// How far a node has got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeReport {
    /// The node's name: 1 to 128 of the characters `A-Z a-z 0-9 . _ -`, not beginning with a dot.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// The numbering that `applied_seq` belongs to.
    pub generation: u64,
    /// The last event that its checks see.
    pub applied_seq: u64,
    /// When it reported, in seconds since the Unix epoch.
    pub updated_at: i64,
}

impl NodeReport {
    fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(text, "pid {}", self.pid);
        let _ = writeln!(text, "generation {}", self.generation);
        let _ = writeln!(text, "applied_seq {}", self.applied_seq);
        let _ = writeln!(text, "updated_at {}", self.updated_at);
        text
    }

    fn decode(name: &str, text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut value = |field| lines.next()?.strip_prefix(field)?.strip_prefix(' ');
        let report = NodeReport {
            name: name.to_owned(),
            pid: value("pid")?.parse().ok()?,
            generation: value("generation")?.parse().ok()?,
            applied_seq: value("applied_seq")?.parse().ok()?,
            updated_at: value("updated_at")?.parse().ok()?,
        };
        lines.next().is_none().then_some(report)
    }
}

/// Writes a node's report into the state directory. It replaces the node's earlier one.
///
/// # Errors
/// [`StoreError::InvalidNodeName`], or what the file system reports.
pub fn report_node(directory: &Path, report: &NodeReport) -> Result<(), StoreError> {
    check_name(&report.name)?;
    replace(&directory.join(NODES), &report.name, report.encode().as_bytes(), Privacy::Ordinary)
}

/// The reports of all nodes, by name.
///
/// # Errors
/// [`StoreError::Malformed`] if a report cannot be read: leaving it out could make an operation look complete.
pub fn nodes(directory: &Path) -> Result<Vec<NodeReport>, StoreError> {
    let error = io_error(StoreFile::Node);
    let mut reports = Vec::new();
    for file in fs::read_dir(directory.join(NODES)).map_err(&error)? {
        let file = file.map_err(&error)?;
        let Some(name) = file.file_name().to_str().map(str::to_owned) else { continue };
        if check_name(&name).is_err() {
            continue;
        }
        let text = match fs::read_to_string(file.path()) {
            // Forgotten in the meantime.
            Err(failed) if failed.kind() == io::ErrorKind::NotFound => continue,
            read => read.map_err(&error)?,
        };
        reports.push(NodeReport::decode(&name, &text).ok_or(StoreError::Malformed(StoreFile::Node))?);
    }
    reports.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(reports)
}

/// Removes the report of a node that is gone for good, so that nothing waits for it.
///
/// # Errors
/// [`StoreError::InvalidNodeName`], or what the file system reports.
pub fn forget_node(directory: &Path, name: &str) -> Result<(), StoreError> {
    check_name(name)?;
    fs::remove_file(directory.join(NODES).join(name)).map_err(io_error(StoreFile::Node))
}

fn check_name(name: &str) -> Result<(), StoreError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.starts_with('.') || !name.bytes().all(allowed) {
        return Err(StoreError::InvalidNodeName);
    }
    Ok(())
}

/// A host name (at most 63 a label, RFC 1035 §2.3.4) with a worker's number fits; so does the name of a file.
const MAX_NAME_BYTES: usize = 128;
