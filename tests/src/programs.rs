//! Where the two programs are: beside the executable that runs this, or one directory above (test executables are in
//! `deps/`).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The built `vault` and `sync-server`.
#[derive(Debug, Clone)]
pub struct Programs {
    directory: PathBuf,
}

impl Programs {
    /// Those that were built with the profile of the running executable.
    ///
    /// # Errors
    /// If they were not built; says how.
    pub fn beside_this_executable() -> Result<Self> {
        let this = std::env::current_exe().context("the system does not say where this executable is")?;
        let near = this.ancestors().skip(1).take(2);
        let found = near.map(|directory| Self { directory: directory.to_owned() }).find(Self::are_there);
        let Some(programs) = found else {
            bail!(
                "`vault` and `sync-server` are not beside {}; build them with \
                 `cargo build --profile ci --package editor-vault --package sync-server --bins`",
                this.display()
            );
        };
        Ok(programs)
    }

    /// Those in `directory`.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    fn are_there(&self) -> bool {
        self.vault().is_file() && self.server().is_file()
    }

    /// The `vault` command.
    #[must_use]
    pub fn vault(&self) -> PathBuf {
        self.directory.join(format!("vault{}", std::env::consts::EXE_SUFFIX))
    }

    /// The relay.
    #[must_use]
    pub fn server(&self) -> PathBuf {
        self.directory.join(format!("sync-server{}", std::env::consts::EXE_SUFFIX))
    }
}

/// The command, started by another program whose command line begins with `prefix`; itself if that is empty.
#[must_use]
pub fn under(prefix: &[OsString], command: &Command) -> Command {
    let line = prefix.iter().map(OsString::as_os_str).chain([command.get_program()]).chain(command.get_args());
    let mut line = line.collect::<Vec<_>>().into_iter();
    let mut started = Command::new(line.next().expect("a command has a program"));
    started.args(line).env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    started
}
