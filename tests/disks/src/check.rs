//! Whether an image opens, is sound, is a state that was there, and holds all that was promised.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use editor_vault::simulation::{Commits, Durable};
use editor_vault::{Vault, VaultOptions};
use relay_storage::{Shell, Storage, StorageUrl};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use simulated_world::clock::Clock;
use simulated_world::failure::Failure;
use simulated_world::rng::Rng;
use sync_server::simulation::now;

use crate::house::{Place, storage_options};
use crate::image::{Image, Luck, after_crash};
use crate::recording::{Kind, Machine, Promise};

/// Everything that a database says, in one digest.
pub type Digest = [u8; 32];

/// How thoroughly an image is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Opened, SQLite's whole check, compared with the states that were there and with the promises.
    Usual,
    /// Also every change hashed and every document put together, and written to.
    Thorough,
}

/// The states of a machine: before the first commit, and after each.
///
/// # Errors
/// If one of them cannot be read.
pub fn states(machine: &Machine, place: &Path) -> Result<Vec<Option<Digest>>> {
    let mut states = vec![None];
    for commit in &machine.commits {
        // What the process sees at this moment, as if only it had ended.
        let directory = lay_out(&after_crash(&machine.ops, commit.at, 4096, &mut Luck::Everything), place)?;
        let digest = digest(&read_only(&directory.join(machine.kind.file()))?)?;
        states.push(Some(digest));
    }
    Ok(states)
}

/// What an image has to be.
#[derive(Debug)]
pub struct Expected<'a> {
    /// Of which machine it is.
    pub machine: &'a Machine,
    /// The states of that.
    pub states: &'a [Option<Digest>],
    /// After so many ops.
    pub cut: usize,
}

/// Opens an image with the real code and looks at it.
///
/// # Errors
/// What does not hold.
pub fn check(image: &Image, expected: &Expected<'_>, look: Look, place: &Path) -> Result<(), Failure> {
    let directory = lay_out(image, place)?;
    let machine = Opened::open(expected.machine, &directory, place)?;
    let file = directory.join(expected.machine.kind.file());
    let connection = read_only(&file)?;
    sound(&connection)?;
    state(&connection, expected)?;
    kept(&connection, expected)?;
    drop(connection);
    if look == Look::Thorough {
        machine.look_closely()?;
        machine.write_on()?;
        sound(&read_only(&file)?)?;
    }
    Ok(())
}

/// Writes an image into an empty directory.
fn lay_out(image: &Image, place: &Path) -> Result<PathBuf> {
    let directory = place.join("image");
    match fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => fs::create_dir_all(&directory)?,
    }
    for (name, content) in image {
        fs::write(directory.join(name), content)?;
    }
    Ok(directory)
}

fn read_only(file: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(file, flags).with_context(|| format!("{} cannot be read", file.display()))
}

fn sound(connection: &Connection) -> Result<(), Failure> {
    let check = || -> rusqlite::Result<Vec<String>> {
        connection.prepare("PRAGMA integrity_check")?.query_map([], |row| row.get(0))?.collect()
    };
    let lines = check().map_err(|error| Failure::new("the file is sound", error.to_string()))?;
    if lines == ["ok"] { Ok(()) } else { Failure::raise("the file is sound", lines.join("; ")) }
}

/// What the image says is what the machine said after one of the commits that may be its last.
fn state(connection: &Connection, expected: &Expected<'_>) -> Result<(), Failure> {
    let possible = expected.machine.possible(expected.cut);
    let found = digest(connection).map_err(anyhow::Error::from)?;
    let states = &expected.states[possible.clone()];
    if states.contains(&Some(found)) {
        return Ok(());
    }
    if *possible.start() == 0 && is_new(connection, expected.machine.kind).map_err(anyhow::Error::from)? {
        return Ok(());
    }
    let of = |digest: Digest| expected.states.iter().position(|state| *state == Some(digest));
    let detail = match of(found) {
        Some(commit) => format!("it is as after commit {commit}; it has to be as after one of {possible:?}"),
        None => format!("it is as it never was; it has to be as after one of commits {possible:?}"),
    };
    Failure::raise("commits are there whole and in order", detail)
}

/// Whether nobody has written anything yet.
fn is_new(connection: &Connection, kind: Kind) -> rusqlite::Result<bool> {
    let table = match kind {
        Kind::Vault => "changes",
        Kind::Relay => "accounts",
    };
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| Ok(row.get::<_, i64>(0)? == 0))
}

/// Digest of all rows of all tables.
fn digest(connection: &Connection) -> rusqlite::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    let tables: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for table in tables {
        hasher.update(table.as_bytes());
        let columns = connection.prepare(&format!("SELECT * FROM {table}"))?.column_count();
        let order = (1..=columns).map(|column| column.to_string()).collect::<Vec<_>>().join(", ");
        let mut statement = connection.prepare(&format!("SELECT * FROM {table} ORDER BY {order}"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                add(&mut hasher, row.get_ref(column)?);
            }
        }
    }
    Ok(*hasher.finalize().as_bytes())
}

fn add(hasher: &mut blake3::Hasher, value: ValueRef<'_>) {
    let mut with = |kind: u8, bytes: &[u8]| {
        hasher.update(&[kind]).update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    };
    match value {
        ValueRef::Null => with(0, &[]),
        ValueRef::Integer(number) => with(1, &number.to_le_bytes()),
        ValueRef::Real(number) => with(2, &number.to_bits().to_le_bytes()),
        ValueRef::Text(text) => with(3, text),
        ValueRef::Blob(blob) => with(4, blob),
    }
}

/// Each promise that was made by then, looked up by itself.
fn kept(connection: &Connection, expected: &Expected<'_>) -> Result<(), Failure> {
    let mut asked = BTreeSet::new();
    for promise in expected.machine.promised(expected.cut) {
        if asked.insert(format!("{promise:?}")) && !is_kept(connection, promise).map_err(anyhow::Error::from)? {
            return Failure::raise("what was promised is there", format!("{promise:?} is not"));
        }
    }
    Ok(())
}

fn is_kept(connection: &Connection, promise: &Promise) -> rusqlite::Result<bool> {
    let is_there = |sql: &str, params: &[&dyn rusqlite::ToSql]| connection.prepare_cached(sql)?.exists(params);
    match promise {
        Promise::Saved(hash) => is_there("SELECT 1 FROM changes WHERE hash = ?1", &[&hash.0]),
        Promise::Pushed(batch) => is_there("SELECT 1 FROM batches WHERE batch = ?1", &[&batch.0]),
        Promise::Account(id) => is_there("SELECT 1 FROM accounts WHERE id = ?1", &[&id.0]),
        Promise::Acked(space, batch, at) => is_there(
            "SELECT 1 FROM log WHERE log_key = (SELECT space_key FROM spaces WHERE id = ?1) << 40 | ?2 AND batch = ?3",
            &[&space.0, &at.0.cast_signed(), &batch.0],
        ),
        Promise::Known(space, at) => is_there(
            "SELECT 1 FROM log WHERE log_key = (SELECT space_key FROM spaces WHERE id = ?1) << 40 | ?2",
            &[&space.0, &at.0.cast_signed()],
        ),
        Promise::Delivered(space, at, hash) => is_there(
            "SELECT 1 FROM log WHERE log_key = (SELECT space_key FROM spaces WHERE id = ?1) << 40 | ?2 AND hash = ?3",
            &[&space.0, &at.0.cast_signed(), &hash.0],
        ),
        Promise::Stored(batch) => is_there(
            "SELECT 1 FROM intake_batches WHERE batch = ?1 UNION ALL SELECT 1 FROM log WHERE batch = ?1
             UNION ALL SELECT 1 FROM intake_outcomes WHERE batch = ?1",
            &[&batch.0],
        ),
    }
}

/// Nobody listens.
#[derive(Debug)]
struct Unheard;

impl Commits for Unheard {
    fn committed(&self, _durable: Durable) {}
}

/// What the real code makes of an image.
enum Opened {
    Vault(Vault),
    Relay(Storage),
}

impl Opened {
    fn open(machine: &Machine, directory: &Path, place: &Path) -> Result<Self, Failure> {
        let (clock, rng) = (Clock::default(), Rng::seeded(0));
        let opened = match machine.kind {
            Kind::Vault => {
                let sources = Place::new(clock, rng, place.join("state"), machine.journal);
                let options = VaultOptions::new(directory).sources(Arc::new(sources)).inline(Arc::new(Unheard));
                options.open().map(Self::Vault).map_err(|error| error.to_string())
            }
            Kind::Relay => {
                let mut options = storage_options(&clock, rng, machine.journal);
                options.shell = Shell::Inline;
                let url = StorageUrl::Sqlite(directory.join(machine.kind.file()));
                Storage::open_blocking(&url, options).map(Self::Relay).map_err(|error| error.to_string())
            }
        };
        opened.map_err(|detail| Failure::new("the file opens", detail))
    }

    /// The machine's own thorough look finds nothing.
    fn look_closely(&self) -> Result<(), Failure> {
        let found: Vec<String> = match self {
            Self::Vault(vault) => {
                let findings = vault.verify().map_err(anyhow::Error::from)?;
                findings.into_iter().map(|finding| finding.detail).collect()
            }
            Self::Relay(storage) => {
                let findings = now(storage.doctor()).map_err(anyhow::Error::from)?;
                findings.into_iter().map(|finding| format!("{finding:?}")).collect()
            }
        };
        if found.is_empty() { Ok(()) } else { Failure::raise("nothing is damaged", found.join("; ")) }
    }

    /// Work goes on.
    fn write_on(&self) -> Result<(), Failure> {
        let written: Result<()> = match self {
            Self::Vault(vault) => vault
                .well_known("settings")
                .map_err(anyhow::Error::from)
                .and_then(|settings| Ok(settings.edit(|draft| draft.put("/base/after", true.into()))?)),
            Self::Relay(storage) => now(storage.create_account("after")).map(drop).map_err(anyhow::Error::from),
        };
        written.map_err(|error| Failure::new("work goes on", format!("{error:#}")))
    }
}
