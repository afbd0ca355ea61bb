//! Connections that end at every stage, in every way, by the thousand: the relay keeps nothing of any of them.

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpStream};

use anyhow::{Context, Result};
use sync_wire::{BatchId, Content, DeviceFrame, DeviceId, DocumentId, Grant, Push};
use system_tests::{Account, Relay};

use super::guest::{beginning, greet, hello, id, send};
use crate::socket::upgrade;
use crate::world::{World, eventually, same_settings};

const ROUNDS: u64 = 200;
/// How far a connection comes before it ends.
const STAGES: [fn(&Visit<'_>) -> Result<TcpStream>; 7] = [
    |visit| Ok(TcpStream::connect(visit.relay)?),
    |visit| visit.head("GET /sync HTTP/1.1\r\nhost: re"),
    |visit| visit.head("GET /healthz HTTP/1.1\r\nhost: relay\r\n\r\n"),
    |visit| Ok(upgrade(visit.relay, &visit.ada.token)?.1),
    |visit| {
        let mut socket = upgrade(visit.relay, &visit.ada.token)?.1;
        send(&mut socket, &hello(visit.device(), vec![beginning(&visit.grant)]))?;
        Ok(socket)
    },
    |visit| visit.greeted(),
    |visit| {
        let mut socket = visit.greeted()?;
        let (space, document, batch) = (visit.grant.space, DocumentId(id(0xd1, 0)), BatchId(id(0xb1, visit.number)));
        let content = Content::Changes(vec![b"not even a change".to_vec().into()]);
        send(&mut socket, &DeviceFrame::Push(Push { space, document, lane: 0, batch, content }))?;
        Ok(socket)
    },
];

struct Visit<'a> {
    relay: SocketAddr,
    ada: &'a Account,
    grant: Grant,
    number: u64,
}

impl Visit<'_> {
    /// Always the same one, which may have four sessions: each has to end with its connection.
    fn device(&self) -> DeviceId {
        DeviceId(id(0xc4, 0))
    }

    fn head(&self, bytes: &str) -> Result<TcpStream> {
        let mut socket = TcpStream::connect(self.relay)?;
        socket.write_all(bytes.as_bytes())?;
        Ok(socket)
    }

    /// Once there is room for its session: those before it may still be ending.
    fn greeted(&self) -> Result<TcpStream> {
        let mut greeted = None;
        eventually("the device has a session", || {
            greeted = greet(self.relay, &self.ada.token, self.device(), vec![beginning(&self.grant)]).ok();
            Ok(greeted.is_some())
        })?;
        Ok(greeted.context("waited for two lines above")?.0)
    }
}

#[test]
fn connections_that_end_at_every_stage_leave_nothing_behind() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, desktop) = world.two_devices()?;
    let (first, welcome) = greet(world.relay.address(), &ada.token, DeviceId(id(0xc4, 0)), Vec::new())?;
    drop(first);
    let before = open_files(&world.relay);
    let grant = welcome.grants.into_iter().next().context("every account has a personal space")?;
    for number in 0..ROUNDS {
        let visit = Visit { relay: world.relay.address(), ada: &ada, grant: grant.clone(), number };
        for (stage, connect) in STAGES.iter().enumerate() {
            let socket = connect(&visit).with_context(|| format!("stage {stage} of round {number}"))?;
            match number % 3 {
                0 => {} // without good order, if something was not read
                1 => drop(socket.shutdown(Shutdown::Both)),
                _ => drop(socket.shutdown(Shutdown::Write)),
            }
        }
    }
    eventually("the relay has closed what they opened", || Ok(open_files(&world.relay) <= before))?;
    laptop.ok(&["set", "settings", "honest", "1"])?;
    laptop.sync()?;
    desktop.sync()?;
    assert!(same_settings(&laptop, &desktop)?.contains("honest"));
    assert!(!world.relay.logged().contains("panicked"), "{}", world.relay.logged());
    Ok(())
}

/// None where the kernel does not say.
fn open_files(relay: &Relay) -> usize {
    let files = relay.id().map(|process| std::fs::read_dir(format!("/proc/{process}/fd")));
    files.and_then(Result::ok).into_iter().flatten().count()
}
