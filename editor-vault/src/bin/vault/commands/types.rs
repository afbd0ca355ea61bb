//! `vault type`: document types of third parties, in the vault's directory and on its relay.

use std::path::{Path, PathBuf};

use editor_vault::{ConnectError, Connection, TypeError, TypeVersion, Vault};
use serde_json::{Value, json};

use crate::cli::TypeCommand;
use crate::commands::import;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::table::Table;

pub(crate) fn run(vault: &Vault, command: &TypeCommand, output: &mut Output) -> Result<(), Failure> {
    match command {
        TypeCommand::List => list(vault, output),
        TypeCommand::Add { files } => {
            let added = vault.add_types(&texts(files)?)?;
            said(&added, ["added", "was there already:"], output)
        }
        TypeCommand::Fetch { names } => {
            let relay = relay(vault)?;
            let mut fetched = Vec::new();
            for name in names {
                fetched.extend(vault.fetch_type(&relay, name)?);
            }
            said(&fetched, ["fetched", "was there already:"], output)
        }
        TypeCommand::Publish { files } => {
            let relay = relay(vault)?;
            let mut published = Vec::new();
            for (file, text) in texts(files)? {
                published.push(vault.publish_type(&relay, &file, &text)?);
            }
            said(&published, ["published", "was published already:"], output)
        }
    }
}

/// With the vault's login.
fn relay(vault: &Vault) -> Result<Connection, Failure> {
    let login = vault.login_stored()?;
    let login = login.ok_or_else(|| ConnectError::NotLoggedIn { path: vault.path().to_owned() })?;
    Ok(Connection::new(login.url).token(login.token))
}

fn list(vault: &Vault, output: &mut Output) -> Result<(), Failure> {
    let known = vault.schemas();
    let newest: Vec<_> = known.names().filter_map(|name| known.get(name)).collect();
    let json: Value = newest
        .iter()
        .map(|found| {
            let versions = known.all().filter(|one| one.name == found.name).map(|one| one.version);
            json!({ "name": found.name, "version": found.version, "versions": versions.collect::<Vec<_>>(),
                "well_known": found.well_known })
        })
        .collect();
    let mut table = Table::new(["NAME", "VERSION"]);
    for found in &newest {
        table.row([found.name.clone(), found.version.to_string()]);
    }
    output.result(table, &json)
}

/// The whole path: the name of the type is that of the directory.
fn texts(files: &[PathBuf]) -> Result<Vec<(String, String)>, Failure> {
    let name = |file: &Path| std::path::absolute(file).unwrap_or_else(|_| file.to_owned()).display().to_string();
    files.iter().map(|file| Ok((name(file), import::read(file)?))).collect()
}

fn said(versions: &[TypeVersion], [new, old]: [&str; 2], output: &mut Output) -> Result<(), Failure> {
    let line = |of: &TypeVersion| format!("{} {} {}", if of.is_new { new } else { old }, of.name, of.version);
    let lines: Vec<String> = versions.iter().map(line).collect();
    let json: Value =
        versions.iter().map(|of| json!({ "name": of.name, "version": of.version, "new": of.is_new })).collect();
    output.result(lines.join("\n"), &json)
}

impl From<TypeError> for Failure {
    fn from(error: TypeError) -> Self {
        match error {
            TypeError::Connect(error) => error.into(),
            TypeError::Offline { .. } => Self::new(Exit::Offline, "offline", error),
            error => Self::failed(error.code().to_owned(), error),
        }
    }
}
