//! `vault schema check FILE…`: what is wrong with files of document types, line by line; and
//! `vault schema typescript [FILE…]`: the same files as TypeScript. Needs no vault.

use std::path::{Path, PathBuf};

use schemas::{Finding, Registry, jsonc, typescript};
use serde_json::{Value, json};

use crate::cli::SchemaCommand;
use crate::commands::import;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(command: &SchemaCommand, output: &mut Output) -> Result<(), Failure> {
    match command {
        SchemaCommand::Check { files } => check(files, output),
        SchemaCommand::Typescript { files } => declare(files, output),
    }
}

fn declare(files: &[PathBuf], output: &mut Output) -> Result<(), Failure> {
    let declared = if files.is_empty() {
        typescript::builtin()
    } else {
        let texts = texts(files)?;
        // What nothing loads is not declared either.
        Registry::with_files(texts.iter().map(|(file, text)| (file, text)))
            .map_err(|error| Failure::failed("schema", error.to_string()))?;
        texts
            .iter()
            .filter_map(|(_, text)| jsonc::parse(text).ok())
            .map(|schema| typescript::declare(&schema))
            .collect()
    };
    output.bytes(declared.as_bytes())
}

fn texts(files: &[PathBuf]) -> Result<Vec<(String, String)>, Failure> {
    files.iter().map(|file| Ok((name(file), import::read(file)?))).collect()
}

fn check(files: &[PathBuf], output: &mut Output) -> Result<(), Failure> {
    let texts = texts(files)?;
    let found: Vec<(&PathBuf, Vec<Finding>)> = files.iter().zip(schemas::lint_files(&texts)).collect();
    let each = || found.iter().flat_map(|(file, findings)| findings.iter().map(move |finding| (*file, finding)));
    let count = each().count();
    let json =
        json!({ "files": files.len(), "findings": each().map(|(file, f)| as_json(file, f)).collect::<Vec<_>>() });
    let lines: Vec<String> = found.iter().flat_map(|(file, findings)| lines(file, findings)).collect();
    output.result(lines.join("\n"), &json)?;
    if count == 0 {
        return Ok(());
    }
    let broken = found.iter().filter(|(_, findings)| !findings.is_empty()).count();
    let found = format!("{count} findings in {broken} of {} files", files.len());
    Err(Failure::failed("schema", format!("{found}; nothing loads these before they are mended")))
}

/// The whole path: the name of the type is that of the directory, and `1.json` alone does not say it.
fn name(file: &Path) -> String {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned()).display().to_string()
}

fn lines(file: &Path, findings: &[Finding]) -> Vec<String> {
    if findings.is_empty() {
        return vec![format!("{}: nothing to mend", file.display())];
    }
    findings.iter().map(|finding| line(file, finding)).collect()
}

/// As compilers write it, so that editors find the place.
fn line(file: &Path, finding: &Finding) -> String {
    let Finding { line, column, code, .. } = finding;
    format!("{}:{line}:{column}: {code}: {}", file.display(), finding.sentence())
}

fn as_json(file: &Path, finding: &Finding) -> Value {
    let Finding { line, column, pointer, code, rule, remedy, .. } = finding;
    json!({ "file": file.display().to_string(), "line": line, "column": column, "pointer": pointer, "code": code,
        "rule": rule, "remedy": remedy })
}
