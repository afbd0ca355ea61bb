//! Files of real people: settings, keymaps, and the trace of a paper being written. They are no part of the project and
//! are found through `VAULT_REAL_DATA`; without it these tests say that they did not run.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use editor_vault::{Connection, Vault};
use serde_json::Value;

use crate::world::World;

/// The directory of the real data, or a line that says what was left out.
pub(crate) fn real_data(test: &str) -> Result<Option<PathBuf>> {
    match std::env::var_os("VAULT_REAL_DATA").map(PathBuf::from).filter(|path| path.is_dir()) {
        Some(path) => Ok(Some(path)),
        None => {
            // Not `eprintln!`: the test harness would swallow it.
            writeln!(std::io::stderr(), "NOT RUN: {test} (VAULT_REAL_DATA names no directory)")?;
            Ok(None)
        }
    }
}

/// What a file of JSON with comments means, found in another way than the product's: everything that JSON does not know
/// is taken out, and the rest is read as JSON.
fn meaning(text: &str) -> Result<Value> {
    let mut json = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let end = match next {
            '"' => string_end(rest),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ => next.len_utf8(),
        };
        if matches!(next, '}' | ']') && json.trim_end().ends_with(',') {
            json.truncate(json.trim_end().len() - 1);
        }
        if next != '/' {
            json.push_str(&rest[..end]);
        }
        rest = &rest[end..];
    }
    serde_json::from_str(&json).with_context(|| format!("this is not JSON: {json}"))
}

/// Where the string that `text` begins with ends.
fn string_end(text: &str) -> usize {
    let mut is_escaped = false;
    let ends = |(_, c): &(usize, char)| {
        let is_end = *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        is_end
    };
    text.char_indices().skip(1).find(ends).map_or(text.len(), |(at, _)| at + 1)
}

#[test]
fn real_settings_reach_the_second_device_with_equal_values() -> Result<()> {
    let Some(data) = real_data("real settings reach the second device")? else { return Ok(()) };
    let world = World::new()?;
    for name in ["vscode-settings-large", "vscode-settings-with-comments", "zed-settings"] {
        let file = data.join("settings").join(format!("{name}.jsonc"));
        let account = world.relay.account(name)?;
        let first = world.device_of(&account, &format!("{name}-first"))?;
        first.ok(&["import", "settings", &file.to_string_lossy()])?;
        first.sync()?;
        let second = world.device_of(&account, &format!("{name}-second"))?;
        let arrived = meaning(&second.ok(&["export", "settings"])?)?;
        assert_eq!(arrived, meaning(&std::fs::read_to_string(&file)?)?, "{name}");
    }
    Ok(())
}

#[test]
fn a_real_keymap_reaches_the_second_device_in_its_order() -> Result<()> {
    let Some(data) = real_data("a real keymap reaches the second device")? else { return Ok(()) };
    let world = World::new()?;
    let (_, laptop, desktop) = world.two_devices()?;
    let file = data.join("settings/vscode-keybindings.jsonc");
    laptop.ok(&["import", "keymap", &file.to_string_lossy()])?;
    laptop.sync()?;
    desktop.sync()?;
    let arrived = meaning(&desktop.ok(&["export", "keymap"])?)?;
    assert_eq!(arrived, meaning(&std::fs::read_to_string(&file)?)?);
    Ok(())
}

/// One edit of a trace: delete so many characters here, then insert these.
struct Keystroke {
    at: usize,
    delete: usize,
    insert: String,
}

fn trace(data: &std::path::Path) -> Result<(Vec<Keystroke>, String)> {
    let file = std::fs::File::open(data.join("traces/automerge-paper.json.gz"))?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text)?;
    let trace: Value = serde_json::from_str(&text)?;
    let patches = trace["txns"].as_array().context("txns")?.iter().flat_map(|txn| txn["patches"].as_array());
    let number = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok()).context("a number");
    let keystrokes = patches.flatten().map(|patch| {
        let insert = patch[2].as_str().context("inserted text")?.to_owned();
        Ok(Keystroke { at: number(&patch[0])?, delete: number(&patch[1])?, insert })
    });
    let end = trace["endContent"].as_str().context("endContent")?.to_owned();
    Ok((keystrokes.collect::<Result<_>>()?, end))
}

#[test]
fn a_paper_typed_on_one_device_is_the_same_paper_on_the_other() -> Result<()> {
    let Some(data) = real_data("a paper typed on one device")? else { return Ok(()) };
    let (keystrokes, end) = trace(&data)?;
    assert_eq!(keystrokes.len(), 259_778);
    let world = World::new()?;
    let ada = world.relay.account("ada")?;
    let connection = || Connection::new(world.relay.url()).token(&ada.token);

    let typing = Vault::open(world.path().join("typing"))?;
    typing.connect(connection())?;
    typing.wait_until_settled(Duration::from_secs(20))?;
    let paper = typing.create("note", Some("A paper"), None)?;
    let mut last = None;
    for Keystroke { at, delete, insert } in &keystrokes {
        let (_, ticket) = paper.edit_deferred(|draft| draft.splice("/body", *at, *delete, insert))?;
        last = Some(ticket);
    }
    last.context("there are keystrokes")?.wait()?;
    assert!(paper.text("/body")?.as_deref() == Some(end.as_str()), "the text differs where it was typed");
    typing.wait_until_settled(Duration::from_secs(300))?;

    let reading = Vault::open(world.path().join("reading"))?;
    reading.connect(connection())?;
    reading.wait_until_settled(Duration::from_secs(300))?;
    let arrived = reading.document(reading.home(), paper.id())?.text("/body")?;
    assert!(arrived.as_deref() == Some(end.as_str()), "the text differs where it arrived");
    Ok(())
}
