//! Which vault a command is about.

use std::path::PathBuf;

use editor_vault::{Vault, VaultOptions};

use crate::cli::Cli;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::types;

/// The file that makes a directory a vault.
const FILE: &str = "vault.sqlite";

/// The directory: `--vault`, else `VAULT_DIR`, else the place of the platform.
pub(crate) fn directory(cli: &Cli) -> Result<PathBuf, Failure> {
    match &cli.vault {
        Some(directory) if directory.as_os_str().is_empty() => Err(Failure::new(
            Exit::Usage,
            "no_vault_dir",
            "the vault directory is \"\", but it needs a name: give --vault DIR, or set or unset VAULT_DIR",
        )),
        Some(directory) => Ok(directory.clone()),
        None => platform_directory(),
    }
}

/// Opens a vault that is there. Only `init` makes one, so that a mistyped path does not.
pub(crate) fn open(cli: &Cli) -> Result<Vault, Failure> {
    let directory = directory(cli)?;
    let is_absent = !directory.exists() || (directory.is_dir() && !directory.join(FILE).exists());
    if is_absent {
        let shown = directory.display();
        let sentence = format!("there is no vault in {shown}: make one with `vault --vault \"{shown}\" init`");
        return Err(Failure::failed("no_vault", sentence));
    }
    let mut options = VaultOptions::new(directory);
    if let Some(types) = &cli.types {
        options = options.schemas(types::load(types)?);
    }
    let vault = options.open()?;
    for skipped in vault.skipped_types() {
        Output::warn(format_args!("{} is left out: {}", skipped.file.display(), skipped.reason));
    }
    Ok(vault)
}

fn platform_directory() -> Result<PathBuf, Failure> {
    let unknown = || {
        let sentence =
            "HOME is not set, so there is no default place for the vault: give --vault DIR, or set VAULT_DIR";
        Failure::failed("no_home", sentence)
    };
    // The password database may know a home directory that this process was not meant to write to.
    if cfg!(unix) && std::env::var_os("HOME").is_none_or(|home| home.is_empty()) {
        return Err(unknown());
    }
    let directories = directories::ProjectDirs::from("", "", "symphony-vault").ok_or_else(unknown)?;
    Ok(directories.data_local_dir().to_owned())
}
