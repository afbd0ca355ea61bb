//! Peers that take for ever: heads and bodies that dribble in, sockets on which nobody greets, connections on which
//! nobody says anything. Each is shown out in time, and nobody else waits for any of them.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use system_tests::{Account, Device};

use super::has_files_for;
use crate::socket::upgrade;
use crate::world::{World, eventually};

/// Of each kind.
const DRIBBLERS: usize = 300;
/// Longer than the relay waits for anything.
const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_BYTES: Duration = Duration::from_millis(200);

/// What a peer begins with, and goes on with byte for byte.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Says nothing at all.
    Silent,
    /// A request whose head never ends.
    Head,
    /// A request with a length, and a body that never ends.
    Body,
    /// The same, in chunks without a length.
    Chunks,
    /// A socket on which nobody greets.
    Squatter,
    /// A socket whose first frame never ends.
    Frame,
}

const KINDS: [Kind; 6] = [Kind::Silent, Kind::Head, Kind::Body, Kind::Chunks, Kind::Squatter, Kind::Frame];

impl Kind {
    fn connect(self, relay: SocketAddr, ada: &Account) -> Result<TcpStream> {
        if matches!(self, Self::Squatter | Self::Frame) {
            let (head, mut socket) = upgrade(relay, &ada.token)?;
            ensure!(head.starts_with("HTTP/1.1 101"), "{head}");
            if matches!(self, Self::Frame) {
                socket.write_all(&[0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0])?; // 65,535 bytes will follow
            }
            return Ok(socket);
        }
        let mut socket = TcpStream::connect(relay)?;
        let token = &ada.token;
        let post = "POST /api/v1/spaces/11111111111111112zwkXs/documents/11111111111111112zwkXs/repair HTTP/1.1\r\n\
                    host: relay\r\nauthorization: Bearer ";
        match self {
            Self::Head => write!(socket, "GET /healthz HTTP/1.1\r\nhost: relay\r\nx-dribble: ")?,
            Self::Body => write!(socket, "{post}{token}\r\ncontent-length: 200000\r\n\r\n")?,
            Self::Chunks => write!(socket, "{post}{token}\r\ntransfer-encoding: chunked\r\n\r\nffff\r\n")?,
            Self::Silent | Self::Squatter | Self::Frame => {}
        }
        Ok(socket)
    }

    /// Says one byte more, if it says any; whether the relay has closed.
    fn dribble(self, mut socket: &TcpStream) -> bool {
        let goes_on = matches!(self, Self::Head | Self::Body | Self::Chunks | Self::Frame);
        if goes_on && socket.write(b"a").is_err_and(|error| error.kind() != ErrorKind::WouldBlock) {
            return true;
        }
        let mut answer = [0; 4096];
        loop {
            match socket.read(&mut answer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
        }
    }
}

#[test]
fn whoever_takes_for_ever_is_shown_out_and_nobody_waits_for_him() -> Result<()> {
    if !has_files_for(DRIBBLERS * KINDS.len())? {
        return Ok(());
    }
    let world = World::with_settings("[relay]\nsessions_per_account_max = 10000\n")?;
    let (ada, laptop, desktop) = world.two_devices()?;
    let mut peers = Vec::new();
    for kind in KINDS.into_iter().cycle().take(DRIBBLERS * KINDS.len()) {
        let socket = kind.connect(world.relay.address(), &ada).with_context(|| format!("{kind:?}"))?;
        socket.set_nonblocking(true)?;
        peers.push((kind, socket));
    }
    edits_arrive(&laptop, &desktop, "beside them")?;
    ensure!(world.relay.documents(&ada.token).is_ok_and(|listed| !listed.is_empty()), "the API does not answer");
    let began = Instant::now();
    while !peers.is_empty() {
        peers.retain(|(kind, socket)| !kind.dribble(socket));
        ensure!(began.elapsed() < PATIENCE, "{} peers are never shown out: {:?}", peers.len(), peers[0].0);
        std::thread::sleep(BETWEEN_BYTES);
    }
    edits_arrive(&laptop, &desktop, "afterwards")
}

#[test]
fn squatters_on_every_slot_are_shown_out_and_whoever_was_inside_notices_nothing() -> Result<()> {
    let world = World::with_settings("[connections]\ntotal_max = 40\n")?;
    let (ada, laptop, desktop) = world.two_devices()?;
    let _inside = [laptop.stay_online()?, desktop.stay_online()?];
    laptop.ok(&["set", "settings", "before", "1"])?;
    desktop.eventually(&["get", "settings", "before"], "1")?;
    let mut squatters = Vec::new();
    eventually("every slot is taken", || {
        let mut socket = TcpStream::connect(world.relay.address())?;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        // Whoever has a slot hears nothing, because he has not said anything.
        let mut answer = [0; 12];
        let is_turned_away = socket.read_exact(&mut answer).is_ok() && &answer == b"HTTP/1.1 503";
        squatters.push(socket);
        Ok(is_turned_away)
    })?;
    laptop.ok(&["set", "settings", "beside", "2"])?;
    desktop.eventually(&["get", "settings", "beside"], "2")?;
    // None of them leaves.
    let phone = world.device("phone")?;
    phone.login(&world.relay.url(), &ada.token)?;
    eventually("there is a slot again", || Ok(phone.run(&["sync"])?.code == Some(0)))?;
    assert_eq!(phone.ok(&["get", "settings", "beside"])?, "2");
    drop(squatters);
    Ok(())
}

/// An edit of one device is on another one.
fn edits_arrive(laptop: &Device, desktop: &Device, value: &str) -> Result<()> {
    laptop.ok(&["set", "settings", "honest", &format!("\"{value}\"")])?;
    laptop.sync()?;
    desktop.sync()?;
    assert_eq!(desktop.ok(&["get", "settings", "honest"])?, value);
    Ok(())
}
