//! Whoever means harm, at the relay's door and inside: it costs himself his connection, and nobody else anything.

mod churn; // connections that end at every stage
mod frames; // real frames with something wrong in them
mod guest; // a program that speaks the wire as far as `Welcome`
mod silent; // devices that never read
mod slow; // peers that take for ever
mod storm; // everybody comes back at once

use std::io::{Read, Write};

use anyhow::{Context, Result};
use rustix::process::{Resource, getrlimit, setrlimit};

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

/// How many of something the environment wants.
fn wanted(variable: &str, usual: u64) -> Result<u64> {
    match std::env::var(variable) {
        Ok(number) => number.parse().with_context(|| format!("{variable} is no number: {number:?}")),
        Err(_) => Ok(usual),
    }
}

/// Whether so many connections may be open here, and in the programs that are started afterwards; says aloud if not.
fn has_files_for(connections: usize) -> Result<bool> {
    /// Whatever else is open in this process, whose tests run at the same time.
    const BESIDE: u64 = 2_000;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    let is_enough = limit.maximum.is_none_or(|files| files >= connections as u64 + BESIDE);
    if !is_enough {
        // Not `eprintln!`: the test harness would swallow it.
        writeln!(std::io::stderr(), "NOT RUN: a test with {connections} connections (`ulimit -Hn` is {limit:?})")?;
    }
    Ok(is_enough)
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
