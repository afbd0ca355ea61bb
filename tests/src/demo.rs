//! Two devices that edit offline and converge through a relay, told as a story: `cargo xtask demo`.

mod latency; // how long an edit takes to the other device
mod story; // how it is told

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{Account, Device, Programs, Relay};
use story::Story;

/// The settings of somebody who has used an editor for a while.
const SETTINGS: &str = include_str!("demo/settings.jsonc");

/// Who and what is on the stage.
#[derive(Debug)]
pub struct Scene {
    /// The relay; it ends when this is dropped.
    pub relay: Relay,
    /// Whose devices they are.
    pub ada: Account,
    laptop: Device,
    desktop: Device,
}

/// Tells the whole story on standard output, in `directory` and nowhere else.
///
/// # Errors
/// If something did not happen as it is told.
pub fn tell(programs: &Programs, directory: &Path) -> Result<Scene> {
    let settings = directory.join("settings.jsonc");
    std::fs::write(&settings, SETTINGS)?;
    let mut story = Story::begin("One editor, two devices, and no network for a while");
    let scene = Scene::open(&mut story, programs, directory)?;
    scene.import(&mut story, &settings)?;
    scene.part(&mut story)?;
    scene.meet(&mut story)?;
    latency::tell(&mut story, &scene.laptop, &scene.desktop)?;
    scene.read(&mut story)?;
    story.end();
    Ok(scene)
}

/// What each device does while offline: key, value of the laptop, value of the desktop.
const APART: [(&str, Option<&str>, Option<&str>); 5] = [
    ("editor.fontSize", Some("15"), None),
    ("workbench.colorTheme", None, Some("\"Symphony Dawn\"")),
    ("editor.tabSize", Some("2"), Some("8")),
    ("/[rust]/editor.rulers", Some("[100]"), None),
    ("/[rust]/editor.formatOnSave", None, Some("true")),
];

impl Scene {
    fn open(story: &mut Story, programs: &Programs, directory: &Path) -> Result<Self> {
        story.chapter("A relay, and two devices");
        let relay = Relay::start(programs, &directory.join("relay"))?;
        let ada = relay.account("ada")?;
        story.say(&format!("The relay listens on {}. Its truth is a log in one SQLite file.", relay.url()));
        story.say("Ada has an account and a token. Her laptop and her desktop each keep a vault: one SQLite");
        story.say("file of Automerge documents, complete without any network.");
        let laptop = Device::new(programs, directory, "laptop")?;
        let desktop = Device::new(programs, directory, "desktop")?;
        for device in [&laptop, &desktop] {
            story.run(device, &["init"])?;
        }
        Ok(Self { relay, ada, laptop, desktop })
    }

    fn import(&self, story: &mut Story, settings: &Path) -> Result<()> {
        story.chapter("Her settings, from a file with comments and trailing commas");
        story.run(&self.laptop, &["import", "settings", &settings.to_string_lossy()])?;
        for device in [&self.laptop, &self.desktop] {
            device.login(&self.relay.url(), &self.ada.token)?;
            story.command(device, &["login", "--relay", &self.relay.url(), "--token", "…"]);
            story.run(device, &["sync"])?;
        }
        let (here, there) = (self.settings(&self.laptop)?, self.settings(&self.desktop)?);
        if here != there {
            bail!("the desktop's settings differ from the laptop's");
        }
        let count = here.as_object().map_or(0, serde_json::Map::len);
        story.say(&format!("The desktop now has the same {count} top-level settings, value for value."));
        Ok(())
    }

    fn part(&self, story: &mut Story) -> Result<()> {
        story.chapter("Both go offline, and both change things");
        story
            .say("Nobody syncs for a while. Different keys change, the same key, and the new object `[rust]` on both.");
        for (key, on_laptop, on_desktop) in APART {
            for (device, value) in [(&self.laptop, on_laptop), (&self.desktop, on_desktop)] {
                if let Some(value) = value {
                    story.run(device, &["set", "settings", key, value])?;
                }
            }
        }
        story.run(&self.laptop, &["new", "note", "Ideas"])?;
        self.laptop.append("Ideas", "- from the laptop: a metronome in the status bar\n")?;
        let here = self.settings(&self.laptop)?;
        let there = self.settings(&self.desktop)?;
        story.table(&["", "laptop", "desktop"], &rows(&here, &there));
        Ok(())
    }

    fn meet(&self, story: &mut Story) -> Result<()> {
        story.chapter("They meet again");
        for device in [&self.laptop, &self.desktop, &self.laptop] {
            story.run(device, &["sync"])?;
        }
        let (here, there) = (self.settings(&self.laptop)?, self.settings(&self.desktop)?);
        story.table(&["", "laptop", "desktop"], &rows(&here, &there));
        if here != there {
            bail!("the devices did not converge");
        }
        story.say("Every line is the same on both. Different keys are both there; of the two tab sizes one won, by");
        story.say("the same rule on both devices; the two halves of `[rust]` became one object.");
        if !self.desktop.ok(&["show", "Ideas"])?.contains("metronome") {
            bail!("the note did not arrive");
        }
        story.say("And the note that the laptop wrote offline is on the desktop.");
        Ok(())
    }

    fn read(&self, story: &mut Story) -> Result<()> {
        story.chapter("The merged state, as the website reads it");
        let items = self.relay.documents(&self.ada.token)?;
        let item = items.iter().find(|item| item["type"] == "settings").context("the relay lists no settings")?;
        // The desktop has shown it, so its position covers it.
        let position = self.desktop.position()?;
        let response = self.relay.document_after(item, &position, &self.ada.token)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let path = format!("/api/v1/spaces/{}/documents/{}", text(&item["space"]), text(&item["id"]));
        story.line(&format!("GET {path}?after={position}"));
        let body = &response.body;
        story.line(&format!(
            "→ {}, position {}, ETag {}",
            response.status,
            text(&body["position"]),
            response.etag.unwrap_or_default()
        ));
        let over_http = &body["value"]["base"];
        for key in ["editor.fontSize", "workbench.colorTheme", "editor.tabSize", "[rust]"] {
            story.line(&format!("  {key:<22} {}", over_http[key]));
        }
        let on_laptop = self.settings(&self.laptop)?;
        for key in ["editor.fontSize", "workbench.colorTheme", "editor.tabSize"] {
            if over_http[key] != on_laptop[key] {
                bail!("the relay shows {key} = {}, the laptop {}", over_http[key], on_laptop[key]);
            }
        }
        Ok(())
    }

    fn settings(&self, device: &Device) -> Result<Value> {
        serde_json::from_str(&device.ok(&["--json", "export", "settings"])?)
            .context("`vault --json export settings` printed no JSON")
    }
}

fn rows(here: &Value, there: &Value) -> Vec<Vec<String>> {
    let show = |settings: &Value, key: &str| settings.get(key).map_or("–".to_owned(), Value::to_string);
    ["editor.fontSize", "workbench.colorTheme", "editor.tabSize", "[rust]"]
        .into_iter()
        .map(|key| vec![key.to_owned(), show(here, key), show(there, key)])
        .collect()
}
