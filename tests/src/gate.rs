//! A network on which what a device pushes arrives when we say so: everything else passes at once.
//!
//! So a device sees exactly as much of another's work as a story wants, while both are connected.

use std::collections::{HashSet, VecDeque};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use sync_wire::{BatchId, Blob, Content, DeviceFrame, DocumentId, Push, decode_device_frame};

/// A listening address that leads to a relay. It is open until [`Self::close`].
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    is_closed: bool,
    /// Pushes that may pass although the gate is closed, counted from its closing.
    released: usize,
    passed: usize,
    held: VecDeque<Vec<u8>>,
    relay: Option<TcpStream>,
    /// Every batch that the device pushed, whether it has passed or not.
    known: HashSet<BatchId>,
    pushed: Vec<(DocumentId, Vec<Blob>)>,
}

impl Gate {
    /// A gate before the relay, for one device.
    ///
    /// # Errors
    /// If no loopback port is free.
    pub fn to(relay: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free loopback port")?;
        let gate = Self { address: listener.local_addr()?, state: Arc::default() };
        let state = Arc::clone(&gate.state);
        std::thread::spawn(move || {
            for device in listener.incoming().map_while(Result::ok) {
                carry(&state, relay, device);
            }
        });
        Ok(gate)
    }

    /// The URL that the device logs in to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Holds every push back from now on.
    pub fn close(&self) {
        let mut state = lock(&self.state);
        (state.is_closed, state.released, state.passed) = (true, 0, 0);
    }

    /// Lets the first `pushes` since the closing pass, those that come later included.
    ///
    /// # Errors
    /// If the relay is gone.
    pub fn release(&self, pushes: usize) -> Result<()> {
        let mut state = lock(&self.state);
        state.released = state.released.max(pushes);
        state.pass_on().context("the relay does not take what was held back")
    }

    /// The changes of a document that the device pushed since the last call, a batch each, in order.
    #[must_use]
    pub fn take_pushed(&self, document: DocumentId) -> Vec<Vec<Blob>> {
        let pushed = std::mem::take(&mut lock(&self.state).pushed);
        pushed.into_iter().filter(|(of, _)| *of == document).map(|(_, changes)| changes).collect()
    }
}

impl State {
    fn note(&mut self, push: Push) {
        let Content::Changes(changes) = push.content else { return };
        // A device pushes again what was not answered.
        if self.known.insert(push.batch) {
            self.pushed.push((push.document, changes));
        }
    }

    fn pass_on(&mut self) -> std::io::Result<()> {
        while !self.held.is_empty() && (!self.is_closed || self.passed < self.released) {
            let (Some(frame), Some(relay)) = (self.held.pop_front(), &mut self.relay) else { break };
            relay.write_all(&frame)?;
            self.passed += 1;
        }
        Ok(())
    }
}

/// Connects the device to the relay, with a thread for each direction.
fn carry(state: &Arc<Mutex<State>>, relay: SocketAddr, device: TcpStream) {
    let Ok(relay) = TcpStream::connect(relay) else { return };
    let (Ok(from_device), Ok(from_relay)) = (device.try_clone(), relay.try_clone()) else { return };
    for stream in [&device, &relay] {
        // A loss of speed, at worst.
        let _ = stream.set_nodelay(true);
    }
    {
        let mut state = lock(state);
        state.held.clear(); // A device pushes again what was not answered.
        state.relay = Some(relay);
    }
    let state = Arc::clone(state);
    std::thread::spawn(move || carry_up(&state, from_device));
    std::thread::spawn(move || carry_down(from_relay, device));
}

fn carry_up(state: &Mutex<State>, mut device: TcpStream) {
    let mut unread = Vec::new();
    let mut buffer = [0; 16 << 10];
    let mut is_upgraded = false;
    while let Ok(read @ 1..) = device.read(&mut buffer) {
        unread.extend_from_slice(&buffer[..read]);
        while let Some((end, push)) = if is_upgraded { frame(&unread) } else { head(&unread) } {
            is_upgraded = true;
            let bytes: Vec<u8> = unread.drain(..end).collect();
            let mut state = lock(state);
            let outcome = if let Some(push) = push {
                state.note(push);
                state.held.push_back(bytes);
                state.pass_on()
            } else {
                state.relay.as_mut().map_or(Ok(()), |relay| relay.write_all(&bytes))
            };
            if outcome.is_err() {
                return;
            }
        }
    }
    if let Some(relay) = lock(state).relay.take() {
        // Half of the connection is gone, so the other half has no use.
        let _ = relay.shutdown(Shutdown::Both);
    }
}

fn carry_down(mut relay: TcpStream, mut device: TcpStream) {
    // Ends with either side; there is nobody to tell.
    let _ = std::io::copy(&mut relay, &mut device);
    let _ = device.shutdown(Shutdown::Both);
}

/// The head of the upgrade: where it ends.
fn head(bytes: &[u8]) -> Option<(usize, Option<Push>)> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| (at + 4, None))
}

/// The first frame of a device: where it ends, and what it pushes, if it does.
fn frame(bytes: &[u8]) -> Option<(usize, Option<Push>)> {
    let (mask_at, length): (usize, usize) = match bytes.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        short => (2, usize::from(short)),
    };
    let (begin, end) = (mask_at + 4, (mask_at + 4).checked_add(length)?);
    let (mask, masked) = (bytes.get(mask_at..begin)?, bytes.get(begin..end)?);
    let payload: Vec<u8> = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    let is_binary = bytes[0] & 0x0f == 2;
    let push = match decode_device_frame(&payload) {
        Ok(Some(DeviceFrame::Push(push))) if is_binary => Some(push),
        _ => None,
    };
    Some((end, push))
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
