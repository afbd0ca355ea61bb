//! A relay that dies, a network that loses: nothing acknowledged is lost, nothing is done twice.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context, Result};
use system_tests::{Account, Device, Fault, Relay, Wire};

use crate::world::{World, eventually, same_settings};

/// The account's only note, as the relay shows it once it has folded what its log has now.
fn note_over_http(relay: &Relay, token: &str) -> Result<String> {
    let items = relay.documents(token)?;
    let note = items.iter().find(|item| item["type"] == "note").context("the note is not listed")?;
    let response = relay.document(note, token)?;
    assert_eq!(response.status, 200, "{response:?}");
    Ok(response.body["value"]["body"].as_str().unwrap_or_default().to_owned())
}

/// A note that both devices have, and an edit of it that is one batch, saved on the laptop and not yet sent. The
/// laptop's way to the relay is the wire.
fn one_batch_pending(world: &World) -> Result<(Account, Device, Device, Wire)> {
    let (ada, laptop, desktop) = world.two_devices()?;
    let wire = Wire::to(world.relay.address())?;
    laptop.login(&wire.url(), &ada.token)?;
    laptop.ok(&["new", "note", "Once"])?;
    laptop.append("Once", "begun\n")?;
    laptop.sync()?;
    laptop.append("Once", "only once\n")?;
    assert_eq!(laptop.pending()?, 1);
    Ok((ada, laptop, desktop, wire))
}

#[test]
fn a_lost_ack_is_asked_for_again_and_nothing_is_done_twice() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, desktop, wire) = one_batch_pending(&world)?;
    wire.set(Fault::LoseAck);
    let pushing = laptop.stay_online()?;
    wire.wait_for_loss()?;
    eventually("the relay shows it", || Ok(note_over_http(&world.relay, &ada.token)?.contains("only once")))?;
    wire.cut();
    drop(pushing);
    assert_eq!(laptop.pending()?, 1, "the device has not heard that the relay has it");

    wire.set(Fault::None);
    wire.mend();
    laptop.sync()?;
    assert_eq!(laptop.pending()?, 0);
    desktop.sync()?;
    assert_eq!(desktop.ok(&["show", "Once"])?.matches("only once").count(), 1);
    assert_eq!(note_over_http(&world.relay, &ada.token)?.matches("only once").count(), 1);
    Ok(())
}

#[test]
fn a_relay_killed_between_append_and_ack_takes_the_repeated_push_as_known() -> Result<()> {
    let mut world = World::new()?;
    let (ada, laptop, desktop, wire) = one_batch_pending(&world)?;
    wire.set(Fault::LoseAck);
    let pushing = laptop.stay_online()?;
    // The ack is on the wire, so the append is durable; from the device's side the relay died in between.
    wire.wait_for_loss()?;
    world.relay.kill();
    drop(pushing);

    world.relay.start_again()?;
    wire.set(Fault::None);
    // Before the device pushes again: what was acknowledged is durable.
    eventually("the relay shows it", || Ok(note_over_http(&world.relay, &ada.token)?.contains("only once")))?;
    laptop.sync()?;
    assert_eq!(laptop.pending()?, 0);
    desktop.sync()?;
    assert_eq!(desktop.ok(&["show", "Once"])?.matches("only once").count(), 1);
    Ok(())
}

#[test]
fn killing_the_relay_again_and_again_under_load_loses_nothing_acknowledged() -> Result<()> {
    let mut world = World::new()?;
    let (_, laptop, desktop) = world.two_devices()?;
    let mut acknowledged = Vec::new();
    for round in 0..6 {
        let online = laptop.stay_online()?;
        for edit in 0..10 {
            laptop.ok(&["set", "settings", &format!("kill.round{round}.edit{edit}"), "true"])?;
        }
        // Another instant each round, spread over the life of a push.
        std::thread::sleep(Duration::from_millis(3 * round));
        world.relay.kill();
        drop(online);
        acknowledged.extend((0..10).map(|edit| format!("kill.round{round}.edit{edit}")));
        world.relay.start_again()?;
    }
    laptop.sync()?;
    desktop.sync()?;
    let merged = same_settings(&laptop, &desktop)?;
    for key in &acknowledged {
        assert!(merged.contains(key.as_str()), "{key} was saved and is gone");
    }
    Ok(())
}

#[test]
fn killing_the_vault_while_it_syncs_loses_nothing_saved() -> Result<()> {
    let world = World::new()?;
    let (_, laptop, desktop) = world.two_devices()?;
    let save = |device: &Device, round: u64| device.ok(&["set", "settings", &format!("saved.round{round}"), "true"]);
    for round in 0..8 {
        save(&laptop, round)?;
        let online = laptop.stay_online()?;
        std::thread::sleep(Duration::from_millis(5 * round));
        drop(online); // kill -9
    }
    laptop.sync()?;
    desktop.sync()?;
    let merged = same_settings(&laptop, &desktop)?;
    for round in 0..8 {
        assert!(merged.contains(&format!("saved.round{round}")), "round {round} was saved and is gone");
    }
    Ok(())
}

#[test]
fn a_relay_that_stops_in_good_order_is_found_again() -> Result<()> {
    let mut world = World::new()?;
    let (_, laptop, desktop) = world.two_devices()?;
    let _online = desktop.stay_online()?;
    world.relay.stop()?;
    laptop.ok(&["set", "settings", "editor.tabSize", "5"])?;
    let offline = laptop.fails(3, &["sync"])?;
    assert!(offline.contains(&world.relay.url()) || offline.contains("127.0.0.1"), "{offline}");
    world.relay.start_again()?;
    laptop.sync()?;
    desktop.eventually(&["get", "settings", "editor.tabSize"], "5")
}

#[test]
fn a_relay_goes_on_when_its_log_cannot_be_written() -> Result<()> {
    let mut world = World::new()?;
    let (_, laptop, desktop) = world.two_devices()?;
    world.relay.stop()?;
    let full = ["sh", "-c", "exec \"$@\" 2>/dev/full", "sh"];
    world.relay.start_under(full.map(OsString::from).to_vec());
    world.relay.start_again()?;
    laptop.ok(&["set", "settings", "editor.tabSize", "5"])?;
    laptop.sync()?;
    desktop.sync()?;
    assert_eq!(desktop.ok(&["get", "settings", "editor.tabSize"])?, "5");
    world.relay.stop()
}

#[test]
fn a_relay_that_is_told_to_stop_as_soon_as_it_listens_stops_in_good_order() -> Result<()> {
    let mut world = World::new()?;
    for _ in 0..20 {
        world.relay.stop()?;
        world.relay.start_again()?;
    }
    world.relay.stop()
}
