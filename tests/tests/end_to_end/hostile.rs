//! Garbage at the relay's door: it costs the sender his connection, and nobody else anything.

use std::io::{Read, Write};

use anyhow::{Context, Result};

use crate::socket::{binary, upgrade};
use crate::world::World;

/// Sends `bytes` after the upgrade; the relay must close, within the time that `upgrade` allows for reading.
fn is_thrown_out(world: &World, token: &str, bytes: &[u8]) -> Result<()> {
    let (head, mut socket) = upgrade(world.relay.address(), token)?;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    // The relay may close before it has read everything.
    let _ = socket.write_all(bytes);
    let mut rest = Vec::new();
    match socket.read_to_end(&mut rest) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
        Err(error) => Err(error).context("the relay keeps the connection open"),
    }
}

#[test]
fn garbage_ends_the_connection_that_brought_it_and_no_other() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, desktop) = world.two_devices()?;
    let garbage: [(&str, Vec<u8>); 7] = [
        ("no CBOR", binary(b"\xff\xff\xff\xff")),
        ("empty", binary(b"")),
        ("a length beyond the frame", binary(&[0x82, 0x01, 0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
        ("nested for ever", binary(&[0x81; 4000])),
        ("a push before hello", binary(&[0x82, 0x02, 0xa0])),
        ("a frame over the limit", binary(&vec![0; (1 << 20) + 1])),
        ("a WebSocket frame that claims 2^62 bytes", vec![0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for (what, bytes) in &garbage {
        is_thrown_out(&world, &ada.token, bytes).with_context(|| (*what).to_owned())?;
    }
    laptop.ok(&["set", "settings", "editor.tabSize", "6"])?;
    laptop.sync()?;
    desktop.sync()?;
    assert_eq!(desktop.ok(&["get", "settings", "editor.tabSize"])?, "6");
    let logged = world.relay.logged();
    assert!(!logged.contains("panicked"), "{logged}");
    Ok(())
}

#[test]
fn nobody_gets_a_socket_without_a_token() -> Result<()> {
    let world = World::new()?;
    let (head, _) = upgrade(world.relay.address(), "wrong")?;
    assert!(head.starts_with("HTTP/1.1 401"), "{head}");
    Ok(())
}

#[test]
fn what_does_not_exist_is_not_found_and_says_so_in_one_form() -> Result<()> {
    let world = World::new()?;
    let ada = world.relay.account("ada")?;
    // Well-formed ids that nobody has: sixteen bytes of zero.
    let nobody = "11111111111111112zwkXs";
    for path in [format!("/api/v1/spaces/{nobody}/documents/{nobody}"), "/api/v1/nothing".to_owned()] {
        let response = world.relay.get(&path, &ada.token)?;
        assert!([400, 404].contains(&response.status), "{path}: {response:?}");
        assert!(response.body["code"].is_string() && response.body["detail"].is_string(), "{path}: {response:?}");
    }
    Ok(())
}
