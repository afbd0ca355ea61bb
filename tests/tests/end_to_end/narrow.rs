//! Networks that are so slow that silence could be taken for death: everything arrives all the same.

use std::time::Duration;

use anyhow::{Result, ensure};
use editor_vault::{Connection, Vault};
use system_tests::{Chance, Network, Weather};

use crate::world::World;

/// As fast as a modem of last century.
const WEATHER: Weather = Weather {
    latency: Duration::from_millis(100),
    jitter: Duration::from_millis(20),
    piece_bytes: 500,
    bytes_per_second: 9_000,
};
/// What takes this network four or five seconds, one push, and is no less when it is compressed.
const CHARS: usize = 50_000;
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_push_during_which_the_relay_has_nothing_to_say_for_long_gets_through_after_a_few_attempts() -> Result<()> {
    let world = World::new()?;
    let ada = world.relay.account("ada")?;
    let connected = |name: &str| -> Result<(Vault, Network)> {
        let network = Network::to(world.relay.address(), WEATHER, Chance::seeded(7))?;
        let vault = Vault::open(world.path().join(name))?;
        vault.connect(Connection::new(network.url()).token(&ada.token))?;
        vault.wait_until_settled(PATIENCE)?;
        Ok((vault, network))
    };
    let (laptop, up) = connected("laptop")?;
    let mut chance = Chance::seeded(11);
    let text: String = (0..CHARS).map(|_| char::from(b' ' + chance.below(95) as u8)).collect();
    let note = laptop.create("note", Some("long"), None)?;
    laptop.wait_until_settled(PATIENCE)?;
    note.edit(|draft| draft.splice("/body", 0, 0, &text))?;
    laptop.wait_until_settled(PATIENCE)?;
    ensure!(up.connections() > 1, "nobody took the silence for an end, so this proves nothing");
    // Whoever receives hears every piece.
    let (desktop, down) = connected("desktop")?;
    let body = desktop.document(desktop.home(), note.id())?.text("/body")?;
    ensure!(body.as_deref() == Some(&text), "the note is not what it was");
    ensure!(down.connections() == 1, "a connection on which bytes came was given up");
    Ok(())
}
