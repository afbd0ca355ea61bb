//! A program that embeds the vault: it says what it finds, then writes in four ways at once until it is killed, and
//! says each edit once it is saved.
//!
//! It is this very executable, started again; it speaks in lines `ledger WORD …` on standard output.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use editor_vault::{Document, ListFilter, Vault};
use serde_json::Value;

/// Where its vault is; without it there is nothing to do.
pub(super) const VAULT: &str = "KILL_WRITER_VAULT";
/// The name of the test below, which is the program.
pub(super) const NAME: &str = "kill::writer::program_that_writes_until_it_is_killed";
/// The four ways, in the order of [`Found`].
pub(super) const WAYS: [&str; 4] = ["setting", "line", "deferred", "note"];

#[test]
fn program_that_writes_until_it_is_killed() -> Result<()> {
    match std::env::var_os(VAULT) {
        Some(path) => write_for_ever(Path::new(&path)),
        None => Ok(()),
    }
}

fn write_for_ever(path: &Path) -> Result<()> {
    let vault = Vault::open(path)?;
    let findings = vault.doctor()?;
    ensure!(findings.is_empty(), "the doctor says {findings:?}");
    let log = match vault.find("log") {
        Ok(log) => log,
        Err(_) => vault.create("note", Some("log"), None)?,
    };
    let settings = vault.well_known("settings")?;
    let found = found(&vault, &settings, &log)?;
    for (way, count) in WAYS.iter().zip(found) {
        println!("ledger found {way} {count}");
    }
    let [first_setting, first_line, first_deferred, first_note] = found;
    std::thread::scope(|scope| {
        let setting = scope.spawn(|| put_settings(&settings, first_setting));
        let line = scope.spawn(|| append_lines(&log, first_line));
        let deferred = scope.spawn(|| put_deferred(&settings, first_deferred));
        let note = scope.spawn(|| create_notes(&vault, first_note));
        [setting, line, deferred, note].into_iter().try_for_each(|way| way.join().expect("no writer panics"))
    })
}

/// How many edits of each way are there. Each way writes 0, 1, 2, …, so anything but a run without gaps is damage.
fn found(vault: &Vault, settings: &Document, log: &Document) -> Result<[u64; 4]> {
    let value = settings.value()?;
    let body = log.text("/body")?.unwrap_or_default();
    let listed = vault.list(&ListFilter::default())?;
    let lines = body.lines().map(|line| line.parse().context(line.to_owned())).collect::<Result<Vec<u64>>>()?;
    let numbered = listed.iter().filter_map(|info| info.title.as_deref()?.strip_prefix("note ")?.parse().ok());
    Ok([
        run("setting", keys(&value["machines"]["setting"]))?,
        run("line", lines)?,
        run("deferred", keys(&value["machines"]["deferred"]))?,
        run("note", numbered.collect())?,
    ])
}

fn keys(layer: &Value) -> Vec<u64> {
    layer.as_object().into_iter().flatten().filter_map(|(key, value)| key.parse().ok().filter(|n| value == n)).collect()
}

fn run(way: &str, mut numbers: Vec<u64>) -> Result<u64> {
    numbers.sort_unstable();
    let is_dense = numbers.iter().zip(0..).all(|(number, expected)| *number == expected);
    ensure!(is_dense, "{way}: a gap or something twice in {numbers:?}");
    Ok(numbers.len() as u64)
}

/// One edit of a setting after the other, each on disk when the call returns.
fn put_settings(settings: &Document, first: u64) -> Result<()> {
    for number in first.. {
        settings.edit(|draft| draft.put(&format!("/machines/setting/{number}"), number.into()))?;
        println!("ledger saved setting {number}");
    }
    Ok(())
}

/// Lines at the end of a text, by somebody else at the same time.
fn append_lines(log: &Document, first: u64) -> Result<()> {
    for number in first.. {
        let line = format!("{number}\n");
        log.edit(|draft| {
            let end = draft.text("/body").unwrap_or_default().chars().count();
            draft.splice("/body", end, 0, &line)
        })?;
        println!("ledger saved line {number}");
    }
    Ok(())
}

/// Several edits that do not wait, and the word that the last of them is on disk.
fn put_deferred(settings: &Document, first: u64) -> Result<()> {
    for start in (first..).step_by(5) {
        let mut last = None;
        for number in start..start + 5 {
            let path = format!("/machines/deferred/{number}");
            last = Some(settings.edit_deferred(|draft| draft.put(&path, number.into()))?.1);
        }
        last.context("there were five")?.wait()?;
        println!("ledger saved deferred {}", start + 4);
    }
    Ok(())
}

/// New documents.
fn create_notes(vault: &Vault, first: u64) -> Result<()> {
    for number in first.. {
        vault.create("note", Some(&format!("note {number}")), None)?;
        println!("ledger saved note {number}");
    }
    Ok(())
}
