//! Saved documents are what Automerge says they are: `@automerge/automerge` from npm reads each and has the same heads,
//! the same value, and every change byte for byte. It shares neither compiler nor memory with us, and reads the flat
//! form by the description of docs/file-format.md alone.
//!
//! `tests/interop` pins the package. It is installed there once, by `npm`; without it this test fails.

mod author; // documents with random histories

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use document::Document;
use serde_json::{Value, json};
use system_tests::{Answer, Chance};

use crate::world::odd_directory;

/// Documents that are made with the document's own edit paths, on up to three replicas each.
const MERGED: usize = 800;
/// Documents that are made through vaults, with undo, deferred edits and restored versions.
const OF_VAULTS: usize = 150;
/// Documents some of whose changes were written anew without others.
const REAUTHORED: usize = 200;
/// Documents with one change in the place of many.
const SQUASHED: usize = 50;
/// Where the histories come from: another one is another set of documents.
const SEED: u64 = 0x006a_7573_7400;

#[test]
fn automerge_for_javascript_reads_every_saved_document_as_we_do() -> Result<()> {
    let directory = odd_directory()?;
    let mut chance = Chance::seeded(SEED);
    let mut saved = String::new();
    for number in 0..MERGED {
        add(&mut saved, &format!("merged {number}"), &author::merged(&mut chance)?)?;
    }
    for number in 0..REAUTHORED {
        add(&mut saved, &format!("re-authored {number}"), &author::reauthored(&mut chance)?)?;
    }
    for number in 0..SQUASHED {
        add(&mut saved, &format!("squashed {number}"), &author::squashed(&mut chance)?)?;
    }
    author::of_vaults(directory.path(), OF_VAULTS, &mut chance, &mut |name, document| add(&mut saved, name, document))?;
    let file = directory.path().join("documents");
    std::fs::write(&file, saved)?;
    let told = compare(&file)?;
    println!("{told}");
    assert_eq!(told["failed"], 0);
    assert_eq!(told["documents"], MERGED + OF_VAULTS + REAUTHORED + SQUASHED);
    Ok(())
}

/// One line for a document: what is saved of it, and how we read it.
fn add(saved: &mut String, name: &str, document: &Document) -> Result<()> {
    let snapshot = document.snapshot()?;
    let mut heads: Vec<String> = snapshot.heads.iter().map(ToString::to_string).collect();
    heads.sort();
    let changes: Vec<String> = document.changes()?.iter().map(|change| hex(&change.bytes)).collect();
    ensure!(snapshot.changes == changes.len() as u64, "{name} is saved with {} changes", snapshot.changes);
    let bytes = hex(&snapshot.bytes);
    let line = json!({ "name": name, "saved": bytes, "heads": heads, "value": document.value(), "changes": changes });
    writeln!(saved, "{line}")?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What the other implementation says of them.
fn compare(file: &Path) -> Result<Value> {
    let program = interop()?;
    let answer = Answer::of(Command::new("node").arg(program.join("compare.mjs")).arg(file))?;
    ensure!(answer.code == Some(0), "Automerge for JavaScript reads otherwise: {}", answer.err);
    serde_json::from_str(&answer.out).with_context(|| format!("compare.mjs printed {:?}", answer.out))
}

/// The directory of the program, with its package installed as the lock file says.
fn interop() -> Result<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
    let (wanted, installed) = (directory.join("package-lock.json"), directory.join("node_modules/.package-lock.json"));
    let age = |path: &Path| path.metadata().and_then(|known| known.modified());
    if age(&installed).ok() < age(&wanted).ok() {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&directory);
        let answer = Answer::of(&mut npm)?;
        ensure!(answer.code == Some(0), "`npm ci` in tests/interop failed: {}", answer.err);
        // So that it counts as newer than a lock file of the same second.
        std::fs::File::options().append(true).open(&installed)?.set_modified(std::time::SystemTime::now())?;
    }
    Ok(directory)
}
