//! A relay is killed under thousands of connected devices, which all come back as soon as their back-off lets them, and
//! each of which has to hear something new. `HOSTILE_DEVICES` asks for more, as `cargo xtask hostile` does.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use sync_core::backoff::{Backoff, Cause};
use sync_wire::limits::SUBPROTOCOL;
use sync_wire::{
    Confirm, Cursor, DeviceFrame, DeviceId, Grant, Position, RelayFrame, decode_relay_frame, encode_device_frame,
};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::guest::{beginning, greet, hello, id};
use super::{has_files_for, wanted};
use crate::world::World;

/// In an ordinary test run.
const DEVICES: u64 = 5_000;
const ACCOUNTS: u64 = 10;
/// For one attempt, as a vault has it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// For TCP alone, as a vault has it while an outage is young.
const REACH_WITHIN: Duration = Duration::from_millis(3500);
/// Longer than the longest back-off, many times.
const PATIENCE: Duration = Duration::from_secs(240);
/// Devices that connect at the same time before the storm.
const AT_ONCE: usize = 100;
/// Small, so that thousands of devices fit into the memory of one process.
const BUFFER_BYTES: usize = 4 << 10;

#[test]
fn thousands_of_devices_that_come_back_at_once_are_all_welcomed_and_brought_up_to_date() -> Result<()> {
    let devices = wanted("HOSTILE_DEVICES", DEVICES)?;
    if !has_files_for(usize::try_from(devices)?)? {
        return Ok(());
    }
    let each = devices.div_ceil(ACCOUNTS) + 4;
    let mut world = World::with_settings(&format!("[relay]\nsessions_per_account_max = {each}\n"))?;
    let mut logins = Vec::new();
    for number in 0..ACCOUNTS {
        let account = world.relay.account(&format!("ada{number}"))?;
        let device = world.device_of(&account, &format!("laptop {number}"))?;
        device.ok(&["set", "settings", "editor.tabSize", "4"])?;
        device.sync()?;
        let (_, welcome) = greet(world.relay.address(), &account.token, DeviceId(id(0x57, number)), Vec::new())?;
        let grant = welcome.grants.into_iter().next().context("every account has a personal space")?;
        ensure!(grant.end.position != Position::START, "the log is empty");
        logins.push((account.token, grant));
    }
    let address = world.relay.address();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (restarted, when) = watch::channel(None);
    let (reports, mut reported) = mpsc::unbounded_channel();
    let attempts = Arc::new(AtomicU64::new(0));
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    for number in 0..devices {
        let (token, grant) = &logins[usize::try_from(number % ACCOUNTS)?];
        let device = Device {
            relay: address,
            token: token.clone(),
            id: DeviceId(id(0x58, number)),
            from: beginning(grant),
            until: grant.end.position,
        };
        let (gate, when, attempts, reports) = (gate.clone(), when.clone(), attempts.clone(), reports.clone());
        runtime.spawn(async move {
            let told = device.live(number, &gate, when, &attempts, &reports).await;
            drop(reports.send(told));
        });
    }
    let told = |reported: &mut mpsc::UnboundedReceiver<_>| -> Result<Option<Duration>> {
        runtime.block_on(async { timeout(PATIENCE, reported.recv()).await })?.context("somebody speaks")?
    };
    for _ in 0..devices {
        told(&mut reported).context("before the storm")?;
    }
    world.relay.kill();
    world.relay.start_again()?;
    restarted.send_replace(Some(Instant::now()));
    let mut synced = Vec::new();
    for _ in 0..devices {
        let waited = told(&mut reported).with_context(|| format!("{} of {devices} came back", synced.len()))?;
        synced.push(waited.context("a time")?);
    }
    synced.sort_unstable();
    let at = |share: f64| synced[((synced.len() - 1) as f64 * share) as usize].as_secs_f64();
    let attempts = attempts.load(Ordering::Relaxed);
    // Not with `eprintln!`, which the test harness would swallow.
    writeln!(
        std::io::stderr(),
        "reconnect storm: {devices} devices, all synced; after the restart p50 {:.2} s, p99 {:.2} s, at most {:.2} s; \
         {attempts} attempts",
        at(0.5),
        at(0.99),
        at(1.0)
    )
    .context("standard error is gone")
}

struct Device {
    relay: SocketAddr,
    token: String,
    id: DeviceId,
    from: Cursor,
    until: Position,
}

/// Nothing when it is synced for the first time; then how long after the restart it was again.
type Told = Result<Option<Duration>>;

impl Device {
    /// Is synced, loses its relay, and comes back.
    async fn live(
        &self,
        seed: u64,
        gate: &Semaphore,
        mut when: watch::Receiver<Option<Instant>>,
        attempts: &AtomicU64,
        reports: &mpsc::UnboundedSender<Told>,
    ) -> Told {
        let mut socket = {
            let _turn = gate.acquire().await?;
            timeout(CONNECT_TIMEOUT, self.sync()).await??
        };
        reports.send(Ok(None))?;
        // Until the relay dies.
        while let Some(Ok(_)) = socket.next().await {}
        let (mut backoff, began) = (Backoff::seeded(seed), Instant::now());
        let _synced = loop {
            let now = sync_core::time::Instant(began.elapsed());
            sleep(backoff.take_delay(now, Cause::Unreached)).await;
            attempts.fetch_add(1, Ordering::Relaxed);
            if let Ok(Ok(socket)) = timeout(CONNECT_TIMEOUT, self.sync()).await {
                break socket;
            }
        };
        let synced = Instant::now();
        let restarted = (*when.wait_for(Option::is_some).await?).context("waited for")?;
        Ok(Some(synced.saturating_duration_since(restarted)))
    }

    /// Connects, and takes everything up to the end of the log.
    async fn sync(&self) -> Result<WebSocketStream<TcpStream>> {
        let stream = timeout(REACH_WITHIN, TcpStream::connect(self.relay)).await??;
        stream.set_nodelay(true)?;
        let mut request = format!("ws://{}/sync", self.relay).into_client_request()?;
        request.headers_mut().insert("Authorization", format!("Bearer {}", self.token).parse()?);
        request.headers_mut().insert("Sec-WebSocket-Protocol", SUBPROTOCOL.parse()?);
        let buffers = WebSocketConfig::default().read_buffer_size(BUFFER_BYTES).write_buffer_size(BUFFER_BYTES);
        let (mut socket, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(buffers)).await?;
        say(&mut socket, &hello(self.id, vec![self.from])).await?;
        loop {
            let Message::Binary(bytes) = socket.next().await.context("the relay closed")?? else { continue };
            match decode_relay_frame(&bytes)? {
                Some(RelayFrame::Welcome(welcome)) => {
                    let is_same = |grant: &Grant| grant.end.epoch == self.from.at.epoch;
                    ensure!(welcome.grants.iter().any(is_same), "the log has another epoch");
                }
                Some(RelayFrame::Deliver(deliver)) => {
                    let (space, position) = (deliver.space, deliver.end().position);
                    say(&mut socket, &DeviceFrame::Confirm(Confirm { space, position, frames: 1 })).await?;
                    if position >= self.until {
                        return Ok(socket);
                    }
                }
                Some(RelayFrame::Goodbye(goodbye)) => bail!("the relay said {goodbye:?}"),
                _ => {}
            }
        }
    }
}

async fn say(socket: &mut WebSocketStream<TcpStream>, frame: &DeviceFrame) -> Result<()> {
    Ok(socket.send(Message::Binary(encode_device_frame(frame).into())).await?)
}
