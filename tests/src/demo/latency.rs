//! How long an edit on one device takes until the other shows it, measured from outside, both devices online.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::story::Story;
use crate::Device;

const EDITS: u32 = 15;
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn tell(story: &mut Story, laptop: &Device, desktop: &Device) -> Result<()> {
    story.chapter("How long does an edit take?");
    let _online = (laptop.stay_online()?, desktop.stay_online()?);
    // The first edit waits for both connections, so it is no measurement.
    edit_to_visible(laptop, desktop, 0)?;
    let mut times = (1..=EDITS).map(|size| edit_to_visible(laptop, desktop, size)).collect::<Result<Vec<_>>>()?;
    times.sort();
    let began = Instant::now();
    read(desktop)?;
    let reading = began.elapsed();
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    story.say("Both run `vault sync --watch`; the laptop edits, and we ask the desktop until it shows the value.");
    story.line(&format!(
        "{EDITS} edits: median {:.0} ms, slowest {:.0} ms, from the command on the laptop to the value on the desktop",
        millis(times[times.len() / 2]),
        millis(times[times.len() - 1])
    ));
    story
        .line(&format!("asking alone takes {:.0} ms of it: `vault` starts, opens the file and reads", millis(reading)));
    story.say("The rest is the way through five programs: two commands, two that sync, and the relay. An editor that");
    story.say("embeds the vault has fewer on its way: see `fan-out` in `cargo xtask bench --quick`.");
    Ok(())
}

fn read(device: &Device) -> Result<String> {
    device.ok(&["get", "settings", "editor.fontSize"])
}

fn edit_to_visible(laptop: &Device, desktop: &Device, size: u32) -> Result<Duration> {
    let value = (100 + size).to_string();
    let began = Instant::now();
    laptop.ok(&["set", "settings", "editor.fontSize", &value])?;
    while read(desktop)? != value {
        if began.elapsed() > PATIENCE {
            bail!("an edit did not reach the desktop within {} seconds", PATIENCE.as_secs());
        }
    }
    Ok(began.elapsed())
}
