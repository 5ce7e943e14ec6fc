//! Files: bounded reads, and writes that never leave a private key readable by others.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use libtoken::limits::MAX_JSON_BYTES;

use crate::failure::Failure;
use crate::show::Visible;

/// Reads a JSON document from a file, or from standard input for `-`.
pub(crate) fn read_document(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let limit = MAX_JSON_BYTES as u64 + 1;
    let read = if is_stdio(path) {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        open(path)?.take(limit).read_to_end(&mut bytes)
    };
    read.map_err(|e| Failure::new(name(path), format_args!("cannot be read ({e})"), "check the file"))?;
    if bytes.len() > MAX_JSON_BYTES {
        let what = format_args!("is larger than {MAX_JSON_BYTES} bytes");
        return Err(Failure::new(name(path), what, "split it into smaller files"));
    }
    Ok(bytes)
}

/// Reads a whole file, however large.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = open(path)?.read_to_end(&mut bytes);
    read.map_err(|e| Failure::new(name(path), format_args!("cannot be read ({e})"), "check the file"))?;
    Ok(bytes)
}

/// Opens a file for reading.
pub(crate) fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|e| {
        let what = format_args!("cannot be opened ({e})");
        Failure::new(name(path), what, "check the name and the permissions")
    })
}

/// Who may read a file that is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// The owner only (mode 0600): private keys.
    Owner,
    /// As the user's umask says.
    Default,
}

/// What to do with a file that is already there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Keep,
    Replace,
}

/// Writes a new file, or prints for `-`. The content is first written beside the target under another name, so
/// the target is never there half-written, nor with other permissions than asked for.
pub(crate) fn write(
    path: &Path,
    content: impl AsRef<[u8]>,
    access: Access,
    existing: Existing,
) -> Result<(), Failure> {
    let content = content.as_ref();
    if is_stdio(path) {
        return Ok(io::stdout().lock().write_all(content)?);
    }
    let fail = |e: &io::Error| {
        if e.kind() == io::ErrorKind::AlreadyExists {
            Failure::new(name(path), "exists already", "choose another name, or replace it with --force")
        } else {
            let what = format_args!("cannot be written ({e})");
            Failure::new(name(path), what, "check the directory and its permissions")
        }
    };
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = write_new(&beside, content, access).and_then(|()| match existing {
        // A link to an existing name fails, where a rename would replace it.
        Existing::Keep => fs::hard_link(&beside, path),
        Existing::Replace => fs::rename(&beside, path),
    });
    if written.is_err() || existing == Existing::Keep {
        // Gone already if the file beside could not even be made.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(|e| fail(&e))
}

fn write_new(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if access == Access::Owner {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = access;
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Whether the name stands for standard input or output.
pub(crate) fn is_stdio(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The file's name for a message. A token given where a file name belongs is not repeated.
pub(crate) fn name(path: &Path) -> String {
    let text = path.to_string_lossy();
    if is_stdio(path) {
        "standard input".to_owned()
    } else if text.len() >= LEAST_TOKEN_LEN && !text.contains('/') && text.matches('.').count() >= 2 {
        "the file name (which looks like a token)".to_owned()
    } else {
        Visible(&text).to_string()
    }
}

/// No signed token is shorter: an HS256 signature alone has 43 characters. File names with two dots are
/// rarely as long.
const LEAST_TOKEN_LEN: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_place_of_a_file_name_is_not_repeated() {
        let token = format!("eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.{}", "A".repeat(86));
        assert_eq!(name(Path::new(&token)), "the file name (which looks like a token)");
        assert_eq!(name(Path::new("keys/a.b.jwk")), "keys/a.b.jwk");
        assert_eq!(name(Path::new("a\u{1b}[31m.jwk")), "a\\u001b[31m.jwk");
    }
}
