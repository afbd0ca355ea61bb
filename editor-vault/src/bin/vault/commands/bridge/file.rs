//! The file on the other side: reading it, and replacing it as a whole so that no editor ever sees half of it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use schemas::jsonc;

use crate::failure::Failure;

/// BLAKE3 of a file, in hexadecimal digits.
pub(super) type Digest = String;

pub(super) fn digest(bytes: &[u8]) -> Digest {
    blake3::hash(bytes).to_hex().to_string()
}

/// Longest chain of symbolic links that is followed.
const LINKS_MAX: usize = 32;

/// Where the file is: the path that was given, and where its symbolic links lead.
#[derive(Debug, Clone)]
pub(super) struct Place {
    given: PathBuf,
    target: PathBuf,
}

impl Place {
    /// The file itself need not be there, its directory must.
    pub(super) fn of(given: &Path) -> Result<Self, Failure> {
        let fail = |error| Failure::file("use", given, &error);
        let given = std::path::absolute(given).map_err(fail)?;
        if given.file_name().is_none() || given.is_dir() {
            let error = io::Error::new(io::ErrorKind::IsADirectory, "it is a directory, and a file is needed");
            return Err(Failure::file("use", &given, &error));
        }
        let mut target = given.clone();
        for _ in 0..LINKS_MAX {
            match fs::read_link(&target) {
                Ok(link) => target = target.parent().unwrap_or(Path::new("/")).join(link),
                Err(_) => break, // the end of the chain
            }
        }
        let name = target.file_name().unwrap_or_default().to_owned();
        let directory = target.parent().unwrap_or(Path::new("/"));
        let directory = directory.canonicalize().map_err(|error| Failure::file("use", directory, &error))?;
        Ok(Self { target: directory.join(name), given })
    }

    pub(super) fn shown(&self) -> String {
        self.given.display().to_string()
    }

    /// The file itself.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// The paths under which a change may be seen.
    pub(super) fn names(&self) -> [&Path; 2] {
        [&self.given, &self.target]
    }

    /// What is in the file; nothing if it is not there. What is too long for such a file is not read to its end.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>, Failure> {
        let mut bytes = Vec::new();
        let bytes_max = jsonc::TEXT_BYTES_MAX as u64 + 1;
        match File::open(&self.target).and_then(|file| file.take(bytes_max).read_to_end(&mut bytes)) {
            Ok(_) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::file("read", &self.given, &error)),
        }
    }

    /// Writes `text` if the file still is what was seen of it last; says whether it was.
    pub(super) fn write(&self, text: &str, seen: Option<&Digest>) -> Result<bool, Failure> {
        let fail = |error: &io::Error| Failure::file("write", &self.given, error);
        let draft = Draft::beside(&self.target, text.as_bytes(), Secrecy::AsBefore).map_err(|error| fail(&error))?;
        // Looked at once more, as late as can be: what somebody saved meanwhile is imported first.
        if self.read()?.map(|bytes| digest(&bytes)).as_ref() != seen {
            return Ok(false);
        }
        draft.replace(&self.target).map_err(|error| fail(&error))?;
        Ok(true)
    }

    /// Copies the file beside itself under a name that is free, and returns that.
    pub(super) fn keep_copy(&self) -> Result<PathBuf, Failure> {
        let name = self.target.file_name().unwrap_or_default();
        for number in 1.. {
            let mut copy = name.to_owned();
            copy.push(format!(".before-bridge-{number}"));
            let copy = self.target.with_file_name(copy);
            if !copy.exists() {
                fs::copy(&self.target, &copy).map_err(|error| Failure::file("write", &copy, &error))?;
                return Ok(copy);
            }
        }
        unreachable!("numbers do not end")
    }
}

/// Who may read what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// Whoever might before; of a new file, as for any.
    AsBefore,
    /// The owner only.
    Owner,
}

/// Replaces a file as a whole, durably.
pub(super) fn replace(path: &Path, content: &[u8], secrecy: Secrecy) -> io::Result<()> {
    Draft::beside(path, content, secrecy)?.replace(path)
}

/// A finished file under another name, removed unless it takes its place.
#[derive(Debug)]
struct Draft {
    path: PathBuf,
}

impl Draft {
    /// The name is always the same, so that what a crash leaves behind is replaced the next time.
    fn beside(path: &Path, content: &[u8], secrecy: Secrecy) -> io::Result<Self> {
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".bridge");
        let draft = Self { path: path.with_file_name(name) };
        match fs::remove_file(&draft.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if secrecy == Secrecy::Owner {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        let mut file = options.open(&draft.path)?;
        if let (Secrecy::AsBefore, Ok(before)) = (secrecy, fs::metadata(path)) {
            file.set_permissions(before.permissions())?;
            keep_owner(&file, &before);
        }
        file.write_all(content)?;
        file.sync_all()?;
        Ok(draft)
    }

    fn replace(self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        #[cfg(unix)]
        File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()?;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename it is not there any more.
        let _ = fs::remove_file(&self.path);
    }
}

/// A file of somebody else stays his when root's bridge writes it; nobody else may give files away.
#[cfg(unix)]
fn keep_owner(file: &File, before: &fs::Metadata) {
    use std::os::unix::fs::{MetadataExt, fchown};
    let _ = fchown(file, Some(before.uid()), Some(before.gid()));
}

#[cfg(not(unix))]
fn keep_owner(_file: &File, _before: &fs::Metadata) {}
