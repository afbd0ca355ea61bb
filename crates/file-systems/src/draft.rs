//! Whole files. What is written goes into a draft beside the file, is flushed, takes the name in one step, and the
//! directory is flushed: after a crash the name means the old content or the new one, and never half of either.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Who may read what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The owner only.
    Owner,
    /// Whoever might read the file that is replaced; of a new file, as for any.
    AsBefore,
}

/// A file that is being written under another name. Removed unless it takes the name that it is for.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    target: PathBuf,
    file: File,
}

impl Draft {
    /// An empty draft of `target`, in the same directory, called `.NAME.MARK`. What a crash left behind under that name
    /// is removed, so whoever may write `target` at the same time needs another mark.
    ///
    /// # Errors
    /// What the system says.
    pub fn beside(target: &Path, mark: &str, access: Access) -> io::Result<Self> {
        let mut name = OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(".");
        name.push(mark);
        let path = target.with_file_name(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if access == Access::Owner {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        let draft = Self { file: options.open(&path)?, path, target: target.to_owned() };
        if let (Access::AsBefore, Ok(before)) = (access, fs::metadata(target)) {
            draft.file.set_permissions(before.permissions())?;
            keep_owner(&draft.file, &before);
        }
        Ok(draft)
    }

    /// Where it is written meanwhile, by others as well.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the name, whatever has it. The content is flushed before, and the directory afterwards.
    ///
    /// # Errors
    /// What the system says. If only the directory could not be flushed, the new content is there already.
    pub fn replace(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, &self.target)?;
        flush_directory(parent(&self.target))
    }

    /// As [`Self::replace`], unless something has the name.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`]; what the system says.
    pub fn create(self) -> io::Result<()> {
        self.file.sync_all()?;
        match fs::hard_link(&self.path, &self.target) {
            // Some file systems have no hard links; there the look and the step are two.
            Err(error) if error.kind() == io::ErrorKind::Unsupported || is_not_permitted(&error) => {
                if self.target.try_exists()? {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                fs::rename(&self.path, &self.target)?;
            }
            linked => {
                linked?;
                fs::remove_file(&self.path)?;
            }
        }
        flush_directory(parent(&self.target))
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Once it has its name it is not there any more.
        let _ = fs::remove_file(&self.path);
    }
}

/// FAT and some file systems of programs say so of hard links.
fn is_not_permitted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// Writes a whole file in the place of what is there.
///
/// # Errors
/// As [`Draft::replace`]; then what was there is there.
pub fn replace(path: &Path, content: &[u8], mark: &str, access: Access) -> io::Result<()> {
    let mut draft = Draft::beside(path, mark, access)?;
    draft.write_all(content)?;
    draft.replace()
}

/// Writes a whole file, unless something is there.
///
/// # Errors
/// As [`Draft::create`].
pub fn create(path: &Path, content: &[u8], mark: &str, access: Access) -> io::Result<()> {
    let mut draft = Draft::beside(path, mark, access)?;
    draft.write_all(content)?;
    draft.create()
}

/// Makes a directory for its owner alone, with what is missing above it, and flushes the names. Nothing to do if it is
/// there.
///
/// # Errors
/// What the system says.
pub fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    make_directory(above)?;
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        // Another process was quicker.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    flush_directory(above)
}

/// Makes sure that the names in a directory are on the disk.
///
/// # Errors
/// What the system says. File systems on which a directory cannot be flushed are no error: there is nothing to wait
/// for.
pub fn flush_directory(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    match File::open(path).and_then(|directory| directory.sync_all()) {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        flushed => flushed,
    }
}

/// The directory that a path is in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// A file of somebody else stays his when root replaces it; nobody else may give files away.
#[cfg(unix)]
fn keep_owner(file: &File, before: &fs::Metadata) {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let _ = fchown(file, Some(before.uid()), Some(before.gid()));
}

#[cfg(not(unix))]
fn keep_owner(_file: &File, _before: &fs::Metadata) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_that_is_given_up_leaves_the_file_as_it_was_and_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("settings.json");
        fs::write(&file, "old").unwrap();
        let mut draft = Draft::beside(&file, "new", Access::AsBefore).unwrap();
        draft.write_all(b"half of the").unwrap();
        drop(draft);
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_crash_left_behind_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        fs::write(dir.path().join(".a.new"), "half of something, and longer than what comes").unwrap();
        replace(&file, b"whole", "new", Access::Owner).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "whole");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_has_the_name_already_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        create(&file, b"first", "new", Access::Owner).unwrap();
        let refused = create(&file, b"second", "new", Access::Owner).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&file).unwrap(), "first");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_the_owners_or_stay_as_they_were() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let file = dir.path().join("a");
        replace(&file, b"secret", "new", Access::Owner).unwrap();
        assert_eq!(mode(&file), 0o600);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        replace(&file, b"shared", "new", Access::AsBefore).unwrap();
        assert_eq!(mode(&file), 0o640);
        let below = dir.path().join("b/c/d");
        make_directory(&below).unwrap();
        assert_eq!((mode(&below), mode(&dir.path().join("b"))), (0o700, 0o700));
        make_directory(&below).unwrap();
    }

    #[test]
    fn a_file_in_the_working_directory_has_a_directory() {
        assert_eq!(parent(Path::new("a")), Path::new("."));
        assert_eq!(parent(Path::new("b/a")), Path::new("b"));
        assert_eq!(parent(Path::new("/")), Path::new("/"));
    }
}
