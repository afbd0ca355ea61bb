//! The file on the other side: reading it, and replacing it as a whole so that no editor ever sees half of it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use file_systems::{Access, Draft};
use schemas::jsonc;

use crate::failure::Failure;

/// BLAKE3 of a file, in hexadecimal digits.
pub(super) type Digest = String;

pub(super) fn digest(bytes: &[u8]) -> Digest {
    blake3::hash(bytes).to_hex().to_string()
}

/// Marks drafts. One bridge at a time writes a file, so what a crash leaves behind is replaced.
const DRAFT: &str = "bridge";
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
        let mut draft = Draft::beside(&self.target, DRAFT, Access::AsBefore).map_err(|error| fail(&error))?;
        draft.write_all(text.as_bytes()).map_err(|error| fail(&error))?;
        // Looked at once more, as late as can be: what somebody saved meanwhile is imported first.
        if self.read()?.map(|bytes| digest(&bytes)).as_ref() != seen {
            return Ok(false);
        }
        draft.replace().map_err(|error| fail(&error))?;
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

/// Replaces a file as a whole, durably.
pub(super) fn replace(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    file_systems::replace(path, content, DRAFT, access)
}
