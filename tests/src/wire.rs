//! The network between a device and a relay: passes bytes both ways, and breaks where it is told to.
//!
//! It understands just enough of WebSocket to tell one frame from the next, so that it can count them, and lose a frame
//! of a chosen kind with everything after it.

mod frames; // one frame from the next

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use frames::{Frames, Unit};

/// What the wire does to the relay's half of each connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Loses the first frame that confirms a push (`Ack`, or `Deliver` of one's own batch) and all that follow; the
    /// connection stays open.
    LoseAck,
}

/// Kind numbers of `Deliver` and `Ack` on the wire.
const CONFIRMING: [u8; 2] = [17, 19];

/// A listening address that leads to the relay.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    relay: SocketAddr,
    fault: Mutex<Fault>,
    is_cut: AtomicBool,
    lost: Mutex<u64>,
    lost_more: Condvar,
    up: Counter,
    down: Counter,
    open: Mutex<Vec<TcpStream>>,
}

impl Wire {
    /// A wire to the relay.
    ///
    /// # Errors
    /// If no loopback port is free.
    pub fn to(relay: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free loopback port")?;
        let state = Arc::new(State {
            relay,
            fault: Mutex::new(Fault::None),
            is_cut: AtomicBool::new(false),
            lost: Mutex::new(0),
            lost_more: Condvar::new(),
            up: Counter::default(),
            down: Counter::default(),
            open: Mutex::new(Vec::new()),
        });
        let wire = Self { address: listener.local_addr()?, state: Arc::clone(&state) };
        std::thread::spawn(move || {
            for device in listener.incoming().map_while(Result::ok) {
                if state.is_cut.load(Ordering::Relaxed) {
                    continue; // Dropped at once: the device sees a refused connection.
                }
                state.carry(device);
            }
        });
        Ok(wire)
    }

    /// The URL that a device logs in to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What to do to connections from now on.
    pub fn set(&self, fault: Fault) {
        *lock(&self.state.fault) = fault;
    }

    /// Ends every connection and refuses new ones.
    pub fn cut(&self) {
        self.state.is_cut.store(true, Ordering::Relaxed);
        for stream in lock(&self.state.open).drain(..) {
            // Already closed by its peer, perhaps.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Accepts connections again.
    pub fn mend(&self) {
        self.state.is_cut.store(false, Ordering::Relaxed);
    }

    /// Waits until a frame was lost.
    ///
    /// # Errors
    /// If none was within 20 seconds.
    pub fn wait_for_loss(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut lost = lock(&self.state.lost);
        while *lost == 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("the relay sent nothing that could be lost within 20 seconds");
            }
            lost = self.state.lost_more.wait_timeout(lost, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *lost = 0;
        Ok(())
    }

    /// What was carried to the relay so far.
    #[must_use]
    pub fn up(&self) -> Traffic {
        self.state.up.read()
    }

    /// What was carried from the relay so far.
    #[must_use]
    pub fn down(&self) -> Traffic {
        self.state.down.read()
    }
}

/// What one direction of a wire carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Frames of the protocol.
    pub frames: u64,
    /// Bytes, those of WebSocket and of the HTTP upgrade included.
    pub bytes: u64,
}

impl std::ops::Sub for Traffic {
    type Output = Self;
    fn sub(self, before: Self) -> Self {
        Self { frames: self.frames - before.frames, bytes: self.bytes - before.bytes }
    }
}

#[derive(Debug, Default)]
struct Counter {
    frames: AtomicU64,
    bytes: AtomicU64,
}

impl Counter {
    fn add(&self, unit: &Unit) {
        self.frames.fetch_add(u64::from(unit.is_frame), Ordering::Relaxed);
        self.bytes.fetch_add(unit.bytes.len() as u64, Ordering::Relaxed);
    }

    fn read(&self) -> Traffic {
        Traffic { frames: self.frames.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.cut();
    }
}

impl State {
    /// Connects one device to the relay, with a thread for each direction.
    fn carry(self: &Arc<Self>, device: TcpStream) {
        let Ok(relay) = TcpStream::connect(self.relay) else { return };
        let (Ok(device_read), Ok(relay_read)) = (device.try_clone(), relay.try_clone()) else { return };
        for stream in [&device, &relay] {
            // A loss of speed, at worst.
            let _ = stream.set_nodelay(true);
            lock(&self.open).extend(stream.try_clone());
        }
        let up = Arc::clone(self);
        std::thread::spawn(move || up.carry_up(device_read, relay));
        let down = Arc::clone(self);
        std::thread::spawn(move || down.carry_down(relay_read, device));
    }

    fn carry_up(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut frames = Frames::of_a_device();
        let mut buffer = [0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            frames.add(&buffer[..read]);
            while let Some(unit) = frames.take() {
                self.up.add(&unit);
                if to.write_all(&unit.bytes).is_err() {
                    break;
                }
            }
        }
        // Half of the connection is gone, so the other half has no use.
        let _ = to.shutdown(Shutdown::Both);
    }

    fn carry_down(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut frames = Frames::of_a_relay();
        let mut buffer = [0; 16 << 10];
        let mut is_losing = false;
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            frames.add(&buffer[..read]);
            while let Some(unit) = frames.take() {
                let confirms = unit.kind.is_some_and(|kind| CONFIRMING.contains(&kind));
                is_losing |= confirms && *lock(&self.fault) == Fault::LoseAck;
                self.down.add(&unit);
                if is_losing {
                    *lock(&self.lost) += 1;
                    self.lost_more.notify_all();
                } else if to.write_all(&unit.bytes).is_err() {
                    break;
                }
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
