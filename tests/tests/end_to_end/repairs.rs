//! A faulty program spoils a document for all of its owner's devices; he repairs it, and all that is honest is there.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail, ensure};
use document::forge::poison::{Ground, Poison};
use document::forge::{Forged, put};
use document::{Change, Document};
use serde_json::Value;
use sync_wire::limits::WIRE_VERSION;
use sync_wire::{
    Actor, BatchId, Blob, Content, DeviceFrame, DeviceId, DocumentId, Hello, Push, RelayFrame, SpaceId, VersionRange,
    decode_relay_frame, encode_device_frame,
};
use system_tests::{Account, Device};

use crate::socket::{binary, next_binary, upgrade};
use crate::world::{World, eventually, same_settings};

/// The settings of an account as a device has them.
fn settings(device: &Device) -> Result<(SpaceId, DocumentId, Document)> {
    let vault = editor_vault::Vault::open(device.vault())?;
    let settings = vault.well_known("settings")?;
    let home = vault.spaces()?.into_iter().find(|space| space.is_home).context("a home space")?.id;
    Ok((home, settings.id(), settings.read(Clone::clone)?))
}

/// Pushes changes as one batch, as another program of the account would.
fn push(world: &World, account: &Account, space: SpaceId, document: DocumentId, changes: Vec<Blob>) -> Result<()> {
    let (head, mut socket) = upgrade(world.relay.address(), &account.token)?;
    ensure!(head.starts_with("HTTP/1.1 101"), "{head}");
    let versions = VersionRange { oldest: WIRE_VERSION, newest: WIRE_VERSION };
    let (device, agent) = (DeviceId([0x77; 16]), "faulty".to_owned());
    let hello = DeviceFrame::Hello(Hello { versions, device, agent, cursors: Vec::new(), attempt: None });
    let batch = BatchId([0x78; 16]);
    let push = Push { space, document, lane: 0, batch, content: Content::Changes(changes) };
    for frame in [hello, DeviceFrame::Push(push)] {
        socket.write_all(&binary(&encode_device_frame(&frame)))?;
    }
    loop {
        let bytes = next_binary(&mut socket)?.context("the relay closed")?;
        match decode_relay_frame(&bytes)? {
            Some(RelayFrame::Ack(_)) => return Ok(()),
            Some(RelayFrame::Refuse(_) | RelayFrame::Park(_) | RelayFrame::Need(_)) => bail!("it was not taken"),
            _ => {}
        }
    }
}

/// An honest edit, poison, and an edit upon that, on top of a document.
fn spoil(document: &Document, poison: &str) -> Result<(Vec<Blob>, Change)> {
    let (heads, max_op) = (document.heads(), document.max_op());
    let ground = Ground { author: Actor([0x71; 16]), attacker: Actor([0x72; 16]), heads, max_op };
    let bad = Change::parse((Poison::of(poison).make)(&ground).remove(0))?;
    let beside = Forged::by(Actor([0x73; 16]), 1, max_op + 1, &ground.heads, vec![put("/base/beside", 3)]).blob();
    let upon = vec![put("/base/upon", 4)];
    let upon = Forged::by(Actor([0x74; 16]), 1, bad.header.max_op() + 1, &[bad.hash()], upon).blob();
    Ok((vec![beside, bad.bytes.clone(), upon], bad))
}

/// Whether it holds the settings, which it finds out when it reads them.
fn held(device: &Device) -> Result<bool> {
    let _ = device.run(&["get", "settings", "first"])?;
    Ok(device.json(&["explain", "settings"])?["held"].is_string())
}

#[test]
fn an_owner_repairs_a_spoiled_document_and_no_honest_edit_is_lost_on_any_device() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, desktop) = world.two_devices()?;
    laptop.ok(&["set", "settings", "first", "1"])?;
    laptop.sync()?;
    desktop.sync()?;
    let tablet = world.device_of(&ada, "tablet")?;
    let (space, id, document) = settings(&laptop)?;
    let (changes, bad) = spoil(&document, "E")?;
    push(&world, &ada, space, id, changes)?;
    eventually("the document is held", || {
        let explained = world.relay.admin(&["explain", &space.to_string(), &id.to_string()])?;
        Ok(explained.contains("held"))
    })?;
    // What the two that are online have is held; the third edits on without knowing of it.
    for device in [&laptop, &desktop] {
        let _ = device.run(&["sync"])?;
        assert!(held(device)?, "{}", device.name());
    }
    tablet.ok(&["set", "settings", "offline", "5"])?;

    let seen: Value = laptop.json(&["repair", "settings", "--dry-run"])?;
    assert_eq!((&seen["state"], &seen["excluded"][0]["hash"]), (&"held".into(), &bad.hash().to_string().into()));
    assert!(held(&laptop)?, "nothing was done");
    assert_eq!(laptop.json(&["repair", "settings"])?["state"], "repaired");
    for _ in 0..2 {
        for device in [&laptop, &desktop, &tablet] {
            device.sync()?;
        }
    }
    let everywhere = same_settings(&laptop, &desktop)?;
    assert_eq!(same_settings(&laptop, &tablet)?, everywhere);
    for (key, value) in [("first", "1"), ("beside", "3"), ("upon", "4"), ("offline", "5")] {
        assert_eq!(desktop.ok(&["get", "settings", key])?, value, "{everywhere}");
    }
    for device in [&laptop, &desktop, &tablet] {
        assert!(!held(device)?, "{}", device.name());
        assert_eq!(device.pending()?, 0, "{}", device.name());
        let explained = device.json(&["explain", "settings"])?;
        assert_eq!(explained["repairs"][0]["excluded"][0], bad.hash().to_string(), "{}", device.name());
        device.ok(&["verify"])?;
    }
    let fresh = world.device_of(&ada, "phone")?;
    assert_eq!(same_settings(&laptop, &fresh)?, everywhere);
    desktop.ok(&["set", "settings", "after", "6"])?;
    desktop.sync()?;
    laptop.sync()?;
    assert_eq!(laptop.ok(&["get", "settings", "after"])?, "6", "the document goes on");
    assert_eq!(laptop.json(&["repair", "settings"])?["state"], "sound");
    assert!(world.relay.admin(&["verify"])?.contains("nothing is wrong"));
    Ok(())
}

#[test]
fn a_repair_needs_the_relay_and_the_grant_of_an_owner() -> Result<()> {
    let mut world = World::new()?;
    let (_, laptop, _) = world.two_devices()?;
    laptop.ok(&["set", "settings", "first", "1"])?;
    laptop.sync()?;
    assert_eq!(laptop.json(&["repair", "settings"])?["state"], "sound");
    let bob = world.relay.account("bob")?;
    let team = world.relay.space("team")?;
    world.relay.grant(&team, &bob, "editor")?;
    let desk = world.device_of(&bob, "desk")?;
    desk.ok(&["new", "note", "n", "--space", &team])?;
    desk.sync()?;
    let refused = desk.fails(1, &["repair", "n"])?;
    assert!(refused.contains("owner_required"), "{refused}");
    world.relay.kill();
    let offline = laptop.fails(3, &["repair", "settings"])?;
    assert!(offline.contains("error[offline]") && offline.contains("needs the relay"), "{offline}");
    Ok(())
}
