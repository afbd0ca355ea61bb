//! The network between a device and a relay in bad weather: bytes come late, in small pieces, slowly, one way only, or
//! not at all.
//!
//! It knows nothing of frames ([`crate::Wire`] does). What it draws comes from a seed; when the bytes come does not.

mod passage; // the bytes of one connection, one way

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::Chance;
use passage::Passage;

/// What the network is like while it carries.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// How long each piece is under way at least.
    pub latency: Duration,
    /// How much longer at most.
    pub jitter: Duration,
    /// The longest piece; each one's length is drawn.
    pub piece_bytes: usize,
    /// How much passes in a second.
    pub bytes_per_second: u32,
}

/// How the network fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partition {
    /// Every connection is closed in good order, and so is each new one.
    Closed,
    /// Every connection is reset, and so is each new one.
    Reset,
    /// Nothing passes and nothing ends. What was sent arrives afterwards.
    Stalled,
    /// The same for what the device sends alone.
    UpStalled,
    /// The same for what the relay sends alone.
    DownStalled,
    /// The relay is told that the device will send no more; what the relay sends passes.
    UpClosed,
    /// The device is told that the relay will send no more; what the device sends passes.
    DownClosed,
    /// As [`Self::Stalled`], and what was sent on connections of before is lost for ever. Nobody is told: a router on
    /// the way has started again. New connections are good afterwards.
    Forgotten,
}

/// A listening address that leads to the relay.
#[derive(Debug)]
pub struct Network {
    address: SocketAddr,
    state: watch::Sender<State>,
    connections: Arc<AtomicU64>,
    /// Ends with this value.
    _runtime: Runtime,
}

/// What all connections look at.
#[derive(Debug, Clone, Copy)]
struct State {
    partition: Option<Partition>,
    /// Counts partitions: a connection knows by it which of them it has lived through.
    partitions: u64,
    /// The last partition that took everything with it that was under way.
    forgotten: u64,
}

impl Network {
    /// A network to the relay.
    ///
    /// # Errors
    /// If no loopback port is free.
    pub fn to(relay: SocketAddr, weather: Weather, mut chance: Chance) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).context("no free loopback port")?;
        let address = listener.local_addr()?;
        let state = watch::Sender::new(State { partition: None, partitions: 0, forgotten: 0 });
        let watched = state.subscribe();
        let connections = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&connections);
        runtime.spawn(async move {
            while let Ok((device, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let chances = [(); 2].map(|()| Chance::seeded(chance.below(u64::MAX)));
                tokio::spawn(carry(device, relay, weather, chances, watched.clone()));
            }
        });
        Ok(Self { address, state, connections, _runtime: runtime })
    }

    /// The URL that a device logs in to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often a device has connected, or tried to.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Fails in this way from now on.
    pub fn fail(&self, partition: Partition) {
        self.state.send_modify(|state| {
            (state.partition, state.partitions) = (Some(partition), state.partitions + 1);
            if partition == Partition::Forgotten {
                state.forgotten = state.partitions;
            }
        });
    }

    /// Carries again.
    pub fn heal(&self) {
        self.state.send_modify(|state| state.partition = None);
    }
}

/// Connects one device to the relay until one of them ends it, or a partition does.
async fn carry(
    mut device: TcpStream,
    relay: SocketAddr,
    weather: Weather,
    [up, down]: [Chance; 2],
    mut state: watch::Receiver<State>,
) {
    if state.borrow().partition == Some(Partition::Reset) {
        return reset(&device);
    }
    if state.borrow().partition == Some(Partition::Closed) {
        return;
    }
    let Ok(mut relay) = TcpStream::connect(relay).await else { return };
    // A loss of speed, at worst.
    let _ = (device.set_nodelay(true), relay.set_nodelay(true));
    let born = state.borrow().partitions;
    {
        let ((from_device, to_device), (from_relay, to_relay)) = (device.split(), relay.split());
        let passage =
            |stalled, closed, chance| Passage { weather, stalled, closed, chance, born, state: state.clone() };
        let up = passage(Partition::UpStalled, Partition::UpClosed, up).carry(from_device, to_relay);
        let down = passage(Partition::DownStalled, Partition::DownClosed, down).carry(from_relay, to_device);
        let is_over = |state: &State| matches!(state.partition, Some(Partition::Closed | Partition::Reset));
        let mut state = state.clone();
        tokio::select! {
            // One of them has left without a word, or both have ended it.
            _ = async { tokio::try_join!(up, down) } => {}
            _ = state.wait_for(is_over) => {}
        }
    }
    if state.borrow_and_update().partition == Some(Partition::Reset) {
        reset(&device);
        reset(&relay);
    }
}

/// Has the connection end without good order when it is dropped.
fn reset(stream: &TcpStream) {
    // It may be gone already.
    let _ = stream.set_zero_linger();
}
