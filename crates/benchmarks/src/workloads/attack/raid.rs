//! An attack that goes on until it is ended. It runs in a process of its own that gets only what nobody else wants of
//! the processors: an attacker has machines of his own, so what making his frames costs must cost nobody else anything.

use std::collections::HashMap;
use std::io::{BufRead, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sync_wire::limits::{PUSH_CREDIT, PUSH_CREDIT_BYTES};
use sync_wire::{BatchId, DeviceId, SpaceId};
use system_tests::Relay;

use super::frames::{self, Kind, Prepared, Sent};
use super::{Attacker, batch_of};
use crate::device::{Device, Login};
use crate::meter::Meter;

/// Connections of the attacker.
const CONNECTIONS: usize = 4;
/// How often somebody looks at the relay's memory.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The process that attacks, seen from the one that measures.
pub(super) struct Raid {
    process: Child,
    began: Instant,
    is_over: Arc<AtomicBool>,
    memory: Option<thread::JoinHandle<Result<u64>>>,
}

/// What was sent in it.
pub(super) struct Raided {
    pub(super) took: Duration,
    pub(super) answered: u64,
    pub(super) bytes: u64,
    pub(super) connections: u64,
    pub(super) memory_peak: u64,
}

impl Raid {
    pub(super) fn begin(relay: &Relay, attacker: &Attacker) -> Result<Self> {
        let meter = Meter::of(relay)?;
        // Niceness would not do: whoever wakes up waits for the scheduler's next tick, of 4 ms, before a nice process
        // that computes gives way.
        let mut process = Command::new("chrt")
            .args(["--idle", "0"])
            .arg(std::env::current_exe()?)
            .arg("--raid")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the attacking process does not start (chrt is part of util-linux)")?;
        let orders = json!({
            "relay": relay.address().to_string(),
            "token": attacker.account.token,
            "device": attacker.device.to_string(),
            "team": attacker.team.map(|team| team.to_string()),
        });
        writeln!(process.stdin.as_mut().context("its input")?, "{orders}")?;
        let is_over = Arc::new(AtomicBool::new(false));
        let watched = is_over.clone();
        let memory = Some(thread::spawn(move || {
            let mut peak = 0;
            while !watched.load(Ordering::Relaxed) {
                peak = peak.max(meter.memory()?);
                thread::sleep(LOOK_EVERY);
            }
            Ok(peak)
        }));
        Ok(Self { process, began: Instant::now(), is_over, memory })
    }

    pub(super) fn end(mut self) -> Result<Raided> {
        let took = self.began.elapsed();
        self.is_over.store(true, Ordering::Relaxed);
        drop(self.process.stdin.take()); // the signal
        let mut told = String::new();
        self.process.stdout.take().context("its output")?.read_to_string(&mut told)?;
        ensure!(self.process.wait()?.success(), "the attacking process failed");
        let told: Value = serde_json::from_str(&told).context("what it did")?;
        let count = |name: &str| told[name].as_u64().with_context(|| format!("{name} in {told}"));
        let memory = self.memory.take().map(thread::JoinHandle::join);
        let memory_peak = memory.and_then(Result::ok).context("nobody looked at the relay's memory")??;
        let (answered, bytes, connections) = (count("answered")?, count("bytes")?, count("connections")?);
        Ok(Raided { took, answered, bytes, connections, memory_peak })
    }
}

impl Drop for Raid {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Nobody is left who could be told that this fails.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// What the attacking process counts.
#[derive(Debug, Default)]
struct Tally {
    answered: AtomicU64,
    bytes: AtomicU64,
    connections: AtomicU64,
}

/// Whom the attacking process attacks, and as whom.
#[derive(Debug)]
struct Target {
    relay: SocketAddr,
    login: Login,
    team: Option<SpaceId>,
    kinds: Vec<Kind>,
    /// Numbers that no frame had yet.
    numbers: AtomicU64,
    is_over: AtomicBool,
    tally: Tally,
}

/// The attacking process: reads its orders from standard input, and ends when that does.
pub(crate) fn attack() -> Result<()> {
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    input.read_line(&mut line)?;
    let orders: Value = serde_json::from_str(&line).context("orders")?;
    let order = |name: &str| orders[name].as_str().with_context(|| format!("no {name} in the orders"));
    let device: DeviceId = order("device")?.parse().ok().context("a device")?;
    let target = Arc::new(Target {
        relay: order("relay")?.parse().context("an address")?,
        login: Login::new(device, order("token")?),
        team: orders["team"].as_str().and_then(|team| team.parse().ok()),
        kinds: frames::all(&Prepared::new()),
        numbers: AtomicU64::new(1),
        is_over: AtomicBool::new(false),
        tally: Tally::default(),
    });
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let target = target.clone();
            thread::spawn(move || target.attack())
        })
        .collect();
    drop(input.read_line(&mut line));
    target.is_over.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().ok().context("an attacker panicked")??;
    }
    let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let Tally { answered, bytes, connections } = &target.tally;
    let told = json!({ "answered": read(answered), "bytes": read(bytes), "connections": read(connections) });
    Ok(writeln!(std::io::stdout(), "{told}")?)
}

impl Target {
    /// On one connection after the other.
    fn attack(&self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        while !self.is_over.load(Ordering::Relaxed) {
            self.tally.connections.fetch_add(1, Ordering::Relaxed);
            // Whoever is sent away comes back.
            if runtime.block_on(self.flood()).is_err() {
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// Pushes within the credit until it is told to stop, or sent away.
    async fn flood(&self) -> Result<()> {
        let mut device = Device::connect_at(self.relay, self.login.clone()).await?;
        let spaces: Vec<SpaceId> = [device.space()].into_iter().chain(self.team).collect();
        let mut open: HashMap<BatchId, usize> = HashMap::new();
        let mut ready: Vec<Sent> = Vec::new();
        while !self.is_over.load(Ordering::Relaxed) {
            if ready.is_empty() {
                ready = self.next(&spaces);
            }
            let under_way: usize = open.values().sum();
            let has_credit = |sent: &Sent| {
                open.len() < PUSH_CREDIT as usize / 2 && (under_way + sent.bytes.len() <= PUSH_CREDIT_BYTES)
            };
            match ready.last() {
                Some(sent) if has_credit(sent) => {
                    open.insert(sent.batch, sent.bytes.len());
                    let Some(sent) = ready.pop() else { continue };
                    device.send(sent.bytes).await?;
                }
                None => {}
                Some(_) => {
                    let frame = device.next().await?.context("the relay closed")?;
                    if let Some(size) = batch_of(&frame).and_then(|batch| open.remove(&batch)) {
                        self.tally.answered.fetch_add(1, Ordering::Relaxed);
                        self.tally.bytes.fetch_add(size as u64, Ordering::Relaxed);
                    }
                }
            }
        }
        Ok(())
    }

    /// The frames of the next number, the first of them last.
    fn next(&self, spaces: &[SpaceId]) -> Vec<Sent> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let kind = &self.kinds[number as usize % self.kinds.len()];
        let space = spaces[number as usize / self.kinds.len() % spaces.len()];
        if !kind.is_for(Some(space) == self.team) {
            return Vec::new();
        }
        let mut frames = kind.frames(space, number);
        frames.reverse();
        frames
    }
}
