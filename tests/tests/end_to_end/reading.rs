//! The merged state over HTTP.

use anyhow::{Context, Result};
use serde_json::json;

use crate::world::{World, eventually};

#[test]
fn the_merged_state_of_two_devices_is_read_over_http() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, desktop) = world.two_devices()?;
    laptop.ok(&["set", "settings", "editor.tabSize", "4"])?;
    desktop.ok(&["set", "settings", "editor.wordWrap", "--string", "on"])?;
    laptop.sync()?;
    desktop.sync()?;
    let settings = &world.listed("settings", 1, &ada.token)?[0];
    let expected = json!({"editor.tabSize": 4, "editor.wordWrap": "on"});
    eventually("both edits are shown", || {
        Ok(world.relay.document(settings, &ada.token)?.body["value"]["base"] == expected)
    })?;
    let response = world.relay.document(settings, &ada.token)?;
    assert_eq!(response.status, 200);
    assert!(response.body["position"].as_str().is_some_and(|position| position.contains(':')), "{response:?}");
    Ok(())
}

#[test]
fn an_unchanged_document_costs_no_body_and_a_changed_one_is_waited_for() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, _) = world.two_devices()?;
    laptop.ok(&["set", "settings", "editor.tabSize", "4"])?;
    laptop.sync()?;
    let item = &world.listed("settings", 1, &ada.token)?[0];
    let path = format!("/api/v1/spaces/{}/documents/{}", item["space"].as_str().unwrap(), item["id"].as_str().unwrap());
    let mut etag = String::new();
    // The fold follows the log: until it has come to its end, a document goes on changing.
    eventually("an unchanged document costs no body", || {
        etag = world.relay.get(&path, &ada.token)?.etag.context("an ETag")?;
        let unchanged = world.relay.get_if_changed(&path, &ada.token, Some(&etag))?;
        Ok((unchanged.status, unchanged.body.is_null()) == (304, true))
    })?;

    laptop.ok(&["set", "settings", "editor.tabSize", "5"])?;
    laptop.sync()?;
    let changed = || world.relay.get_if_changed(&path, &ada.token, Some(&etag));
    eventually("the change is shown", || Ok(changed()?.body["value"]["base"]["editor.tabSize"] == 5))?;
    let changed = changed()?;
    assert_eq!(changed.status, 200);
    let position = changed.body["position"].as_str().context("a position")?;
    let waited = world.relay.get(&format!("{path}?after={position}"), &ada.token)?;
    assert_eq!(waited.status, 200, "what is there already is not waited for");
    Ok(())
}

#[test]
fn a_list_is_read_page_by_page_without_gap_or_repetition() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, _) = world.two_devices()?;
    for number in 0..7 {
        laptop.ok(&["new", "note", &format!("Note {number}")])?;
    }
    laptop.sync()?;
    // A note is listed from its first change on, and has its title from the second.
    eventually("seven titles are listed", || {
        let items = world.relay.documents(&ada.token)?;
        Ok(items.iter().filter(|item| item["title"].as_str().is_some_and(|title| title.starts_with("Note "))).count()
            == 7)
    })?;
    let mut titles = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world.relay.get(&format!("/api/v1/documents?type=note&limit=3{cursor}"), &ada.token)?;
        assert_eq!(page.status, 200, "{page:?}");
        let items = page.body["items"].as_array().context("items")?;
        assert!(items.len() <= 3);
        titles.extend(items.iter().map(|item| item["title"].as_str().unwrap_or_default().to_owned()));
        match page.body["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    titles.sort();
    assert_eq!(titles, (0..7).map(|number| format!("Note {number}")).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn the_relay_says_whether_it_lives_and_is_ready() -> Result<()> {
    let world = World::new()?;
    assert_eq!(world.relay.get("/healthz", "")?.status, 200);
    assert_eq!(world.relay.get("/readyz", "")?.status, 200);
    Ok(())
}
