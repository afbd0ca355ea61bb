//! A program that embeds the vault and goes on when an edit is refused: it tries the next one. It is this very
//! executable, started again; it says `ledger saved KEY` of each edit that is on disk, and `ledger refused CODE` of
//! each that is not.

use std::path::Path;

use anyhow::{Context, Result};
use editor_vault::{EditError, Vault};

/// Where its vault is; without it there is nothing to do.
pub(super) const VAULT: &str = "FAULTS_VAULT";
/// What its keys begin with.
pub(super) const KEYS: &str = "FAULTS_KEYS";
/// The name of the test below, which is the program.
pub(super) const PROGRAM: &str = "injected::host::program_that_goes_on_when_an_edit_is_refused";

/// Edits of one life.
const EDITS: u64 = 12;

#[test]
fn program_that_goes_on_when_an_edit_is_refused() -> Result<()> {
    let Some(path) = std::env::var_os(VAULT) else { return Ok(()) };
    let keys = std::env::var(KEYS).context("what keys begin with")?;
    match edit(Path::new(&path), &keys) {
        Ok(()) => Ok(()),
        Err((code, error)) => {
            eprintln!("error[{code}]: {error:#}");
            std::process::exit(1)
        }
    }
}

/// All edits; an error is that of a vault that cannot even be opened or read.
fn edit(path: &Path, keys: &str) -> Result<(), (&'static str, anyhow::Error)> {
    let vault = Vault::open(path).map_err(|error| (error.code(), error.into()))?;
    let settings = vault.well_known("settings").map_err(|error| (error.code(), error.into()))?;
    for number in 0..EDITS {
        let key = format!("{keys}{number}");
        let path = format!("/base/{key}");
        let saved: Result<(), EditError> = if number % 3 == 0 {
            let deferred = settings.edit_deferred(|draft| draft.put(&path, 1.into()));
            deferred.and_then(|(_, saving)| saving.wait())
        } else {
            settings.edit(|draft| draft.put(&path, 1.into()))
        };
        match saved {
            Ok(()) => println!("ledger saved {key}"),
            Err(error) => println!("ledger refused {}", error.code()),
        }
    }
    Ok(())
}
