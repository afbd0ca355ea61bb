//! A type of a third party, from its file to documents of several people: with the real programs, and as
//! `docs/schemas.md` tells it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::world::{World, eventually};

/// The page that teaches types.
const PAGE: &str = include_str!("../../../docs/schemas.md");

/// The file with which the page begins.
fn task() -> Result<&'static str> {
    let after = PAGE.split_once("\n```json ext.acme.task/1.json\n").context("the page has the file")?.1;
    after.split_once("\n```").map(|(text, _)| text).context("the block ends")
}

/// The commands of the page for publishing, in their order.
fn commands() -> Result<Vec<&'static str>> {
    let block = PAGE.split_once("\n```sh publishing\n").context("the page says how types are published")?.1;
    let block = block.split_once("\n```").context("the block ends")?.0;
    Ok(block.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect())
}

fn words(command: &'static str) -> Vec<&'static str> {
    command.split(" #").next().unwrap_or_default().split_whitespace().collect()
}

#[test]
fn a_published_type_is_fetched_used_merged_and_validated_everywhere() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, desktop) = world.two_devices()?;
    let folder = world.path().join("ext.acme.task");
    std::fs::create_dir(&folder)?;
    let file = folder.join("1.json").display().to_string();
    std::fs::write(&file, task()?)?;
    let mut ran = 0;
    for command in commands()? {
        match words(command)[..] {
            ["sync-server", ref arguments @ ..] => drop(world.relay.admin(arguments)?),
            ["vault", ref arguments @ ..] => {
                let named = |word: &&str| if word.ends_with(".json") { file.clone() } else { (*word).to_owned() };
                let arguments: Vec<String> = arguments.iter().map(named).collect();
                let device = if arguments[1] == "publish" { &laptop } else { &desktop };
                device.ok(&arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
            }
            _ => anyhow::bail!("the page says {command:?}, which nobody runs"),
        }
        ran += 1;
    }
    ensure!(ran == 3, "{ran} commands are on the page");
    ensure!(world.relay.get("/api/v1/types/ext.acme.task/1", "")?.body["text"] == task()?);
    laptop.ok(&["type", "fetch", "ext.acme.task"])?;

    // One begins a task, the other changes it; both at once change other fields.
    laptop.ok(&["new", "ext.acme.task", "Buy tea"])?;
    laptop.sync()?;
    desktop.sync()?;
    laptop.ok(&["patch", "Buy tea", r#"{"notes":"Green or black?","tags":["shop"]}"#])?;
    desktop.ok(&["patch", "Buy tea", r#"{"state":"done","tags":["home"]}"#])?;
    let refused = desktop.run(&["patch", "Buy tea", r#"{"state":"lost"}"#])?;
    ensure!(refused.code == Some(1) && refused.err.contains("schema.enum"), "{refused:?}");
    for device in [&laptop, &desktop, &laptop] {
        device.sync()?;
    }
    let wanted = json!({ "title": "Buy tea", "state": "done", "notes": "Green or black?", "tags": ["home", "shop"] });
    for device in [&laptop, &desktop] {
        ensure!(device.json(&["show", "Buy tea"])?["value"] == wanted, "{}", device.name());
    }
    let listed = &world.listed("ext.acme.task", 1, &ada.token)?[0];
    let mut shown = Value::Null;
    eventually("the task is shown as it was merged", || {
        shown = world.relay.document(listed, &ada.token)?.body;
        Ok(shown["value"] == wanted)
    })?;
    ensure!(shown["title"] == "Buy tea", "{shown}");
    Ok(())
}

#[test]
fn a_device_without_the_type_keeps_its_documents_and_shows_them_as_they_are_stored() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, desktop) = world.two_devices()?;
    let folder = world.path().join("ext.acme.task");
    std::fs::create_dir(&folder)?;
    std::fs::write(folder.join("1.json"), task()?)?;
    laptop.ok(&["type", "add", &folder.join("1.json").display().to_string()])?;
    laptop.ok(&["new", "ext.acme.task", "Buy tea"])?;
    laptop.ok(&["patch", "Buy tea", r#"{"tags":["shop"]}"#])?;
    laptop.sync()?;
    desktop.sync()?;
    let listed = desktop.json(&["list", "--type", "ext.acme.task"])?;
    let id = listed[0]["id"].as_str().context("it is there")?;
    let shown = desktop.json(&["show", id])?;
    ensure!(shown["value"]["tags"] == json!({ "shop": true }), "{shown}");
    let refused = desktop.run(&["patch", id, r#"{"state":"done"}"#])?;
    ensure!(refused.code == Some(1) && refused.err.contains("ext.acme.task"), "{refused:?}");
    let missing = desktop.run(&["type", "fetch", "ext.acme.task"])?;
    ensure!(missing.code == Some(1) && missing.err.contains("error[type_not_found]"), "{missing:?}");

    // What was there before its type follows it once it is.
    let file = folder.join("1.json").display().to_string();
    let early = laptop.run(&["type", "publish", &file])?;
    ensure!(early.code == Some(1) && early.err.contains("error[namespace_required]"), "{early:?}");
    world.relay.admin(&["namespace", "grant", "acme", "ada"])?;
    laptop.ok(&["type", "publish", &file])?;
    desktop.ok(&["type", "fetch", "ext.acme.task"])?;
    ensure!(desktop.json(&["show", "Buy tea"])?["value"]["tags"] == json!(["shop"]));
    desktop.ok(&["patch", "Buy tea", r#"{"state":"done"}"#])?;
    let found = desktop.json(&["find", "ext.acme.task", "--where", "state=done"])?;
    ensure!(found["found"][0]["title"] == "Buy tea", "{found}");
    eventually("the relay has its title", || Ok(world.listed("ext.acme.task", 1, &ada.token)?[0]["title"] == "Buy tea"))
}
