//! What a relay has refused for real, and what becomes of it on either side.

use anyhow::{Context, Result};
use rusqlite::Connection;
use serde_json::json;

use crate::copies::copy;
use crate::world::World;

/// A vault that was put back to an older copy makes its edits again by itself under other names, unless it has done so too
/// often: that is said in its file here.
#[test]
fn an_edit_that_is_made_again_over_http_leaves_the_quarantine_of_its_device() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, desktop) = world.two_devices()?;
    laptop.ok(&["new", "note", "n"])?;
    laptop.sync()?;
    let older = world.path().join("copy older");
    copy(laptop.vault(), &older)?;
    laptop.append("n", "one\n")?;
    laptop.sync()?;
    copy(&older, laptop.vault())?;
    laptop.append("n", "two\n")?;
    Connection::open(laptop.vault().join("vault.sqlite"))?
        .execute("UPDATE batches SET rewritten = 8 WHERE state = 0", [])?;
    laptop.fails(4, &["sync"])?;
    let quarantined = laptop.json(&["quarantine", "list"])?;
    assert_eq!(quarantined[0]["code"], "equivocation");
    assert_eq!(laptop.ok(&["show", "n"])?, "one");

    let (space, hash) = (quarantined[0]["space"].as_str(), quarantined[0]["change"].as_str());
    let path = format!("/api/v1/spaces/{}/quarantine/{}", space.context("a space")?, hash.context("a change")?);
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
