//! Another version of the program: what it may say and keep beside today's, and what is refused until somebody updates.

use std::io::Write as _;

use anyhow::{Context, Result, bail};
use sync_wire::limits::WIRE_VERSION;
use sync_wire::{
    DeviceFrame, DeviceId, GoodbyeCode, Hello, RelayFrame, VersionRange, decode_relay_frame, encode_device_frame,
};

use crate::socket::{binary, next_binary, upgrade};
use crate::world::{World, same_settings};

/// Where `user_version` stands in an SQLite file.
const VERSION_AT: usize = 60;

/// What the relay answers to a greeting with these versions; the frame may have keys that only the sender knows.
fn greet(world: &World, token: &str, versions: VersionRange, unknown: &[u8]) -> Result<RelayFrame> {
    let (head, mut socket) = upgrade(world.relay.address(), token)?;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    let hello =
        Hello { versions, device: DeviceId([7; 16]), agent: "of tomorrow".into(), cursors: Vec::new(), attempt: None };
    let mut bytes = encode_device_frame(&DeviceFrame::Hello(hello));
    if !unknown.is_empty() {
        bytes[2] += 1; // one key more in the map of the body
        bytes.extend(unknown);
    }
    socket.write_all(&binary(&bytes))?;
    let answer = next_binary(&mut socket)?.context("the relay closed without a word")?;
    decode_relay_frame(&answer)?.context("a frame of a kind that this version does not know")
}

#[test]
fn a_device_that_speaks_only_a_newer_wire_is_told_so_and_one_that_speaks_both_is_welcome() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, desktop) = world.two_devices()?;
    let newer = VersionRange { oldest: WIRE_VERSION + 1, newest: WIRE_VERSION + 1 };
    match greet(&world, &ada.token, newer, &[])? {
        RelayFrame::Goodbye(goodbye) => assert_eq!(goodbye.code, GoodbyeCode::VERSION, "{goodbye:?}"),
        other => bail!("a newer version was answered {other:?}"),
    }
    let both = VersionRange { oldest: WIRE_VERSION, newest: WIRE_VERSION + 1 };
    match greet(&world, &ada.token, both, &[0x18, 200, 0x65, b'l', b'a', b't', b'e', b'r'])? {
        RelayFrame::Welcome(welcome) => assert_eq!(welcome.version, WIRE_VERSION),
        other => bail!("a device that speaks both was answered {other:?}"),
    }
    laptop.ok(&["set", "settings", "editor.tabSize", "6"])?;
    laptop.sync()?;
    desktop.sync()?;
    same_settings(&laptop, &desktop).map(drop)
}

#[test]
fn a_relay_does_not_start_on_a_database_of_a_newer_major_and_leaves_it_as_it_is() -> Result<()> {
    let mut world = World::new()?;
    let (_, laptop, _) = world.two_devices()?;
    laptop.ok(&["set", "settings", "a", "1"])?;
    laptop.sync()?;
    world.relay.stop()?;
    let file = world.relay.data().join("relay.sqlite");
    let sound = std::fs::read(&file)?;
    let mut newer = sound.clone();
    newer[VERSION_AT..VERSION_AT + 4].copy_from_slice(&(99_u32 << 16).to_be_bytes());
    std::fs::write(&file, &newer)?;
    assert!(world.relay.start_again().is_err(), "it started");
    world.relay.kill();
    assert!(world.relay.logged().contains("99"), "{}", world.relay.logged());
    assert!(std::fs::read(&file)? == newer, "not one byte was changed");
    std::fs::write(&file, &sound)?;
    world.relay.start_again()?;
    laptop.ok(&["set", "settings", "b", "2"])?;
    laptop.sync()
}

#[test]
fn a_vault_that_a_newer_minor_has_written_in_goes_on_beside_it() -> Result<()> {
    let world = World::new()?;
    let (_, laptop, desktop) = world.two_devices()?;
    laptop.ok(&["set", "settings", "before", "1"])?;
    laptop.sync()?;
    let file = laptop.vault().join("vault.sqlite");
    let mut bytes = std::fs::read(&file)?;
    let version = u32::from_be_bytes(bytes[VERSION_AT..VERSION_AT + 4].try_into()?);
    bytes[VERSION_AT..VERSION_AT + 4].copy_from_slice(&(version + 1).to_be_bytes());
    std::fs::write(&file, bytes)?;
    // A program that stays open, and one after the other beside it.
    let _online = laptop.stay_online()?;
    for key in ["one", "two"] {
        laptop.ok(&["set", "settings", key, "2"])?;
        laptop.sync()?;
    }
    desktop.sync()?;
    let merged = same_settings(&laptop, &desktop)?;
    assert!(["before", "one", "two"].iter().all(|key| merged.contains(key)), "{merged}");
    let kept = std::fs::read(&file)?;
    assert_eq!(u32::from_be_bytes(kept[VERSION_AT..VERSION_AT + 4].try_into()?), version + 1, "nobody set it back");
    Ok(())
}
