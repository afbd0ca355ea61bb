//! `cargo xtask schema check`: every file of `schemas/types`, each version against the one before it.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use schemas::Registry;

use crate::workspace::Workspace;

/// Where the files are; `meta.json` beside the types describes them all.
const TYPES: &str = "schemas/types";

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Says what is wrong with them, by line and column, and which of them nobody loads
    Check,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    match args.command {
        Command::Check => check(workspace),
    }
}

pub(crate) fn check(workspace: &Workspace) -> Result<ExitCode> {
    let files = files(&workspace.root().join(TYPES))?;
    let mut faults = Vec::new();
    for ((file, _), findings) in files.iter().zip(schemas::lint_files(&files)) {
        faults.extend(findings.iter().map(|finding| {
            let (line, column, code) = (finding.line, finding.column, finding.code);
            format!("{TYPES}/{file}:{line}:{column}: {code}: {}", finding.sentence())
        }));
        if !is_built_in(file) {
            faults.push(format!("{TYPES}/{file}:1:1: not_built_in: nobody loads it; add it to BUILTIN in registry.rs"));
        }
    }
    faults.iter().for_each(|fault| println!("{fault}"));
    println!("{} files of document types, {} findings", files.len(), faults.len());
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `NAME/VERSION.json` and its text, in order.
fn files(types: &Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for directory in entries(types)?.into_iter().filter(|path| path.is_dir()) {
        for path in entries(&directory)? {
            let name = path.strip_prefix(types)?.to_string_lossy().replace('\\', "/");
            files.push((name, std::fs::read_to_string(&path).with_context(|| path.display().to_string())?));
        }
    }
    if files.is_empty() {
        bail!("there are no document types in {}", types.display());
    }
    Ok(files)
}

fn entries(directory: &Path) -> Result<Vec<std::path::PathBuf>> {
    let read = || std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    let mut entries = read().with_context(|| directory.display().to_string())?;
    entries.sort();
    Ok(entries)
}

fn is_built_in(file: &str) -> bool {
    let known = file.strip_suffix(".json").and_then(|file| file.split_once('/'));
    known.is_some_and(|(name, version)| {
        version.parse().is_ok_and(|version| Registry::builtin().version(name, version).is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_nobody_loads_is_noticed() {
        assert!(is_built_in("note/1.json"));
        for file in ["note/99.json", "nothing/1.json", "note/one.json", "meta.json", "note/1.txt"] {
            assert!(!is_built_in(file), "{file}");
        }
    }

    #[test]
    fn the_files_of_a_checkout_are_found_in_order() {
        let types = tempfile::tempdir().unwrap();
        std::fs::write(types.path().join("meta.json"), "{}").unwrap();
        for file in ["b/2.json", "a/1.json"] {
            std::fs::create_dir_all(types.path().join(file).parent().unwrap()).unwrap();
            std::fs::write(types.path().join(file), file).unwrap();
        }
        let found = files(types.path()).unwrap();
        assert_eq!(found, [("a/1.json".into(), "a/1.json".into()), ("b/2.json".into(), "b/2.json".into())]);
        assert!(files(&types.path().join("a")).is_err(), "no types at all is a mistake of the caller");
    }
}
