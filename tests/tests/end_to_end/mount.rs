//! Small file systems in memory, and what fills them. They need root.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use system_tests::Answer;

/// A file system in memory. Unmounted when dropped.
pub(crate) struct Mount {
    at: PathBuf,
}

impl Mount {
    /// `None`, said aloud, where mounting is not allowed.
    pub(crate) fn new(at: &Path, options: &str) -> Result<Option<Self>> {
        std::fs::create_dir_all(at)?;
        let answer = Answer::of(Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at))?;
        if answer.code == Some(0) {
            return Ok(Some(Self { at: at.to_owned() }));
        }
        // Not `eprintln!`: the test harness would swallow it.
        writeln!(std::io::stderr(), "NOT RUN: a test that mounts a file system ({})", answer.err.trim())?;
        Ok(None)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.at
    }

    pub(crate) fn change(&self, options: &str) -> Result<()> {
        let answer = Answer::of(Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.at))?;
        if answer.code != Some(0) {
            bail!("cannot remount: {answer:?}");
        }
        Ok(())
    }

    /// Leaves no room at all, until what is returned is dropped.
    pub(crate) fn fill(&self) -> Result<Filler> {
        let filler = Filler { file: self.at.join("something else") };
        let mut file = std::fs::File::create(&filler.file)?;
        // Byte by byte at the end: a page that is begun has room for somebody.
        for size in [64 << 10, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        Ok(filler)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // The temporary directory cannot be removed otherwise; there is nobody to tell.
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

/// Takes all the room that there is; gives it back when dropped.
pub(crate) struct Filler {
    file: PathBuf,
}

impl Drop for Filler {
    fn drop(&mut self) {
        // Whoever finds no room afterwards says so.
        let _ = std::fs::remove_file(&self.file);
    }
}
