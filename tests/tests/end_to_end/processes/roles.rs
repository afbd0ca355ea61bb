//! What one of the processes does until it is killed. It is this very executable, started again; it speaks in lines
//! `ledger WORD …` on standard output, each once it is true.
//!
//! There is no older release yet, so the newer program is made up, as in the simulated world: today's, which leaves in
//! the file what only it knows. All others are the older ones then.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use editor_vault::{Connection, Link, Severity, Vault};
use system_tests::Chance;

/// What to be; without it there is nothing to do.
pub(super) const ROLE: &str = "PROCESSES_ROLE";
pub(super) const NAME: &str = "PROCESSES_NAME";
pub(super) const VAULT: &str = "PROCESSES_VAULT";
pub(super) const URL: &str = "PROCESSES_URL";
pub(super) const TOKEN: &str = "PROCESSES_TOKEN";
/// The name of the test below, which is the program.
pub(super) const PROGRAM: &str = "processes::roles::program_on_a_vault_that_others_have_open";
/// The note that all of them write in.
pub(super) const NOTE: &str = "log";

/// Longer than anybody holds the file who is alive.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a person does not do faster.
const EDIT_MICROS_MAX: u64 = 60_000;

/// What one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Edits,
    EditsWithNewerProgram,
    Checkpoints,
}

/// Whether a line says that its speaker syncs.
pub(super) fn syncs(line: &str) -> bool {
    line.ends_with("ledger syncs")
}

#[test]
fn program_on_a_vault_that_others_have_open() -> Result<()> {
    let Ok(role) = std::env::var(ROLE) else { return Ok(()) };
    let vault = std::env::var_os(VAULT).context("a vault")?;
    let role =
        [Role::Edits, Role::EditsWithNewerProgram, Role::Checkpoints].into_iter().find(|r| role == format!("{r:?}"));
    match role.context("a role")? {
        Role::Checkpoints => checkpoint_for_ever(Path::new(&vault)),
        role => edit_for_ever(Path::new(&vault), role),
    }
}

/// Every kind of checkpoint, whatever the others do.
fn checkpoint_for_ever(vault: &Path) -> Result<()> {
    let file = open(vault)?;
    let mut chance = Chance::seeded(u64::from(std::process::id()));
    loop {
        let kind = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"][usize::try_from(chance.below(4))?];
        file.query_row(&format!("PRAGMA wal_checkpoint({kind})"), [], |row| row.get::<_, i64>(0))?;
        std::thread::sleep(chance.micros_below(EDIT_MICROS_MAX));
    }
}

fn open(vault: &Path) -> Result<rusqlite::Connection> {
    let file = rusqlite::Connection::open(vault.join("vault.sqlite"))?;
    file.busy_timeout(PATIENCE)?;
    Ok(file)
}

fn edit_for_ever(path: &Path, role: Role) -> Result<()> {
    let variable = |name: &str| std::env::var(name).context(name.to_owned());
    let name = variable(NAME)?;
    let newer = if role == Role::EditsWithNewerProgram { Some(Newer::over(path)?) } else { None };
    let vault = Vault::open(path)?;
    let damage = vault.doctor()?.into_iter().find(|finding| finding.severity == Severity::Error);
    ensure!(damage.is_none(), "the doctor says {damage:?}");
    vault.connect(Connection::new(variable(URL)?).token(variable(TOKEN)?))?;
    let (settings, note) = (vault.well_known("settings")?, vault.find(NOTE)?);
    let mut chance = Chance::seeded(u64::from(std::process::id()));
    let mut has_told = false;
    for number in 0_u64.. {
        settings.edit(|draft| draft.put(&format!("/machines/{name}/{number}"), number.into()))?;
        println!("ledger setting {name} {number}");
        let line = format!("{name} {number}\n");
        note.edit(|draft| {
            let end = draft.text("/body").unwrap_or_default().chars().count();
            draft.splice("/body", end, 0, &line)
        })?;
        println!("ledger line {name} {number}");
        if let Some(newer) = &newer {
            newer.note(number)?;
        }
        if !has_told && vault.sync_status().link == Link::Online {
            println!("ledger syncs");
            has_told = true;
        }
        std::thread::sleep(chance.micros_below(EDIT_MICROS_MAX));
    }
    Ok(())
}

/// What a newer minor version keeps in the file beside what today's knows.
struct Newer(rusqlite::Connection);

impl Newer {
    fn over(vault: &Path) -> Result<Self> {
        let file = open(vault)?;
        let is_there = "SELECT count(*) FROM sqlite_schema WHERE name = 'later'";
        let version: u32 = file.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if file.query_row(is_there, [], |row| row.get::<_, i64>(0))? == 0 {
            file.execute_batch(&format!(
                "BEGIN IMMEDIATE;
                 CREATE TABLE later (id INTEGER PRIMARY KEY, number INTEGER) STRICT;
                 ALTER TABLE documents ADD COLUMN later INTEGER;
                 ALTER TABLE batches ADD COLUMN later INTEGER NOT NULL DEFAULT 7;
                 PRAGMA user_version = {};
                 COMMIT;",
                version + 1
            ))?;
        }
        Ok(Self(file))
    }

    fn note(&self, number: u64) -> Result<()> {
        let number = i64::try_from(number)?;
        self.0.execute("UPDATE documents SET later = ?1", [number])?;
        self.0.execute("INSERT INTO later (number) VALUES (?1)", [number])?;
        Ok(())
    }
}
