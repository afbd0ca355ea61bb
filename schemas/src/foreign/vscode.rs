//! VS Code: its names are ours.

use serde_json::{Map, Value};

use super::{About, ForeignError, Report, Translated};
use crate::jsonc;
use crate::settings::MACHINE_LOCAL_LISTS;
use crate::violation::shown;

/// What the editor itself knows; other families belong to extensions.
const FAMILIES: [&str; 32] = [
    "accessibility",
    "breadcrumbs",
    "chat",
    "comments",
    "css",
    "debug",
    "diffEditor",
    "editor",
    "emmet",
    "explorer",
    "extensions",
    "files",
    "git",
    "html",
    "http",
    "inlineChat",
    "javascript",
    "json",
    "markdown",
    "merge-conflict",
    "notebook",
    "npm",
    "outline",
    "problems",
    "scm",
    "screencastMode",
    "search",
    "terminal",
    "typescript",
    "window",
    "workbench",
    "zenMode",
];
/// Of the program itself: its account, updates and telemetry.
const PROGRAM: [&str; 6] = ["settingsSync", "sync", "update", "telemetry", "security", "remote"];

pub(super) fn settings(text: &str) -> Result<Translated<Map<String, Value>>, ForeignError> {
    let Value::Object(fields) = jsonc::parse(text)? else {
        let remedy = "it is settings.json of the user's or workspace's directory, an object";
        return Err(ForeignError::OtherFile { expected: "settings file of VS Code", remedy });
    };
    let mut report = Report::new();
    for (key, value) in fields {
        match languages(&key) {
            Some(languages) => section(&mut report, &key, &languages, &value),
            None => setting(&mut report, key, value),
        }
    }
    Ok(report.done())
}

fn setting(report: &mut Report<Map<String, Value>>, key: String, value: Value) {
    let family = key.split('.').next().unwrap_or_default();
    if PROGRAM.contains(&family) && !MACHINE_LOCAL_LISTS.contains(&key.as_str()) {
        return report.remark(key, shown(&value), About::OfTheProgram);
    }
    if !FAMILIES.contains(&family) && !PROGRAM.contains(&family) {
        report.remark(key.clone(), shown(&value), About::KeptForExtension);
    }
    report.taken += 1;
    report.content.insert(key, value);
}

/// `[javascript][typescript]` says the same of both; here each has its own section.
fn section(report: &mut Report<Map<String, Value>>, key: &str, languages: &[&str], value: &Value) {
    let Value::Object(fields) = value else { return report.remark(key, shown(value), About::OtherValue) };
    report.taken += fields.len();
    for language in languages {
        let section = report.content.entry(format!("[{language}]")).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(section) = section {
            section.extend(fields.clone());
        }
    }
}

fn languages(key: &str) -> Option<Vec<&str>> {
    let inner = key.strip_prefix('[')?.strip_suffix(']')?;
    Some(inner.split("][").collect())
}

pub(super) fn bindings(text: &str) -> Result<Translated<Vec<Value>>, ForeignError> {
    let Value::Array(items) = jsonc::parse(text)? else {
        let remedy = "it is keybindings.json of the user's directory, an array";
        return Err(ForeignError::OtherFile { expected: "keybindings file of VS Code", remedy });
    };
    let mut report = Report::<Vec<Value>>::new();
    for (number, binding) in items.into_iter().enumerate() {
        let place = format!("binding {}", number + 1);
        let is_text = |name: &str| binding.get(name).is_some_and(Value::is_string);
        if !is_text("key") {
            report.remark(place, shown(&binding), About::NoKeystroke);
        } else if !is_text("command") {
            report.remark(place, shown(&binding), About::NoCounterpart);
        } else {
            report.taken += 1;
            report.content.push(binding);
        }
    }
    Ok(report.done())
}
