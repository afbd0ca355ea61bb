//! Two people in one document, through the real relay: they see each other, and nobody else sees them.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use editor_vault::{Connection, Document, Vault};
use serde_json::{Value, json};
use system_tests::Account;

use crate::world::{World, eventually};

const SOON: Duration = Duration::from_secs(60);

fn online(world: &World, directory: &Path, account: &Account) -> Result<Vault> {
    let vault = Vault::open(directory)?;
    vault.connect(Connection::new(world.relay.url()).token(&account.token))?;
    vault.wait_until_settled(SOON)?;
    Ok(vault)
}

fn shown(document: &Document) -> Result<Vec<Value>> {
    Ok(document.presence()?.into_iter().map(|present| present.content).collect())
}

#[test]
fn people_in_a_document_see_each_other_until_one_may_not_any_more() -> Result<()> {
    let world = World::new()?;
    let (ada, bob) = (world.relay.account("ada")?, world.relay.account("bob")?);
    let team = world.relay.space("The band")?;
    world.relay.grant(&team, &ada, "owner")?;
    world.relay.grant(&team, &bob, "viewer")?;
    let theirs = online(&world, &world.path().join("hers"), &ada)?;
    let his = online(&world, &world.path().join("his"), &bob)?;
    let note = theirs.create("note", Some("Set list"), Some(team.parse()?))?;
    theirs.wait_until_settled(SOON)?;
    eventually("he has her note", || Ok(his.find("Set list").is_ok()))?;
    let same = his.find("Set list")?;
    let elsewhere = his.well_known("settings")?;
    note.show_presence(&json!({ "name": "Ada", "line": 1 }))?;
    same.show_presence(&json!({ "name": "Bob" }))?;
    elsewhere.show_presence(&Value::Null)?;
    eventually("he sees her", || Ok(shown(&same)? == [json!({ "name": "Ada", "line": 1 })]))?;
    eventually("she sees him", || Ok(shown(&note)? == [json!({ "name": "Bob" })]))?;
    assert_eq!(note.presence()?[0].device, his.device());
    note.show_presence(&json!({ "name": "Ada", "line": 2 }))?;
    eventually("he sees her move", || Ok(shown(&same)? == [json!({ "name": "Ada", "line": 2 })]))?;
    assert!(shown(&elsewhere)?.is_empty());

    world.relay.admin(&["space", "revoke", &team, &bob.name])?;
    eventually("he is gone", || Ok(shown(&note)?.is_empty()))?;
    note.show_presence(&json!({ "name": "Ada", "line": 3 }))?;
    eventually("and knows nobody", || Ok(shown(&same)?.is_empty()))
}
