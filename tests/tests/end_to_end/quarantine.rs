//! What a relay has refused for real, and what becomes of it on either side.

use anyhow::{Context, Result};
use rusqlite::Connection;
use serde_json::json;
use system_tests::Device;

use crate::copies::copy;
use crate::world::World;

/// What the relay has refused.
pub(crate) struct Refused {
    pub(crate) space: String,
    pub(crate) hash: String,
}

/// Has an edit of a note refused, which says `two` where `one` came first. A vault that was put back to an older copy
/// makes its edits again by itself under other names, unless it has done so too often: that is said in its file here.
pub(crate) fn refuse_an_edit(world: &World, device: &Device, note: &str) -> Result<Refused> {
    device.ok(&["new", "note", note])?;
    device.sync()?;
    let older = world.path().join("copy before the refusal");
    copy(device.vault(), &older)?;
    device.append(note, "one\n")?;
    device.sync()?;
    copy(&older, device.vault())?;
    device.append(note, "two\n")?;
    Connection::open(device.vault().join("vault.sqlite"))?
        .execute("UPDATE batches SET rewritten = 8 WHERE state = 0", [])?;
    device.fails(4, &["sync"])?;
    let refused = &device.json(&["quarantine", "list"])?[0];
    assert_eq!(refused["code"], "equivocation");
    let of = |name: &str| refused[name].as_str().map(str::to_owned).context("a name");
    Ok(Refused { space: of("space")?, hash: of("change")? })
}

#[test]
fn an_edit_that_is_made_again_over_http_leaves_the_quarantine_of_its_device() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, desktop) = world.two_devices()?;
    let Refused { space, hash } = refuse_an_edit(&world, &laptop, "n")?;
    assert_eq!(laptop.ok(&["show", "n"])?, "one");
    let path = format!("/api/v1/spaces/{space}/quarantine/{hash}");
    let shown = world.relay.get(&path, &ada.token)?;
    assert_eq!(shown.body["refused"], json!({"values": [{"path": "/body", "before": "", "after": "two\n"}]}));
    for _ in 0..2 {
        let done = world.relay.post(&format!("{path}/resubmit"), &ada.token)?;
        assert_eq!(done.status, 200, "{done:?}");
    }
    laptop.sync()?;
    desktop.sync()?;
    assert_eq!(laptop.ok(&["quarantine", "list"])?, "nothing is in quarantine");
    for device in [&laptop, &desktop] {
        let shown = device.ok(&["show", "n"])?;
        let mut lines: Vec<&str> = shown.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["one", "two"]);
    }
    Ok(())
}
