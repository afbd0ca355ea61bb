//! Thousands of devices that said hello and are silent: what each costs the relay.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sync_wire::DeviceId;
use system_tests::Relay;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::runtime;
use crate::Bench;
use crate::device::{Device, Login, id};
use crate::meter::Meter;
use crate::report::{Line, bytes, rate};

/// Descriptors for everything but the connections.
const SPARE: u64 = 500;
/// Devices of one account, so that no list of sessions grows beyond what is usual by much.
const PER_ACCOUNT: usize = 1_000;
/// Connections from one source address: fewer than a machine has ports for.
const PER_ADDRESS: usize = 10_000;
const AT_ONCE: usize = 64;
const GOAL_KIBIBYTES: f64 = 6.0;

const CONFIG: &str = "[connections]\ntotal_max = 100000\n[relay]\nsessions_per_account_max = 100000\n";

pub(crate) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let wanted = bench.effort.pick(2_000, 15_000);
    let count = wanted.min(descriptors()?);
    let relay = bench.relay_with(CONFIG)?;
    let meter = Meter::of(&relay)?;
    let accounts = (0..count.div_ceil(PER_ACCOUNT)).map(|number| relay.account(&format!("idle{number}")));
    let tokens = accounts.map(|account| Ok(account?.token)).collect::<Result<Vec<_>>>()?;
    let runtime = runtime()?;
    // The first few pay for what is made once.
    let warm = runtime.block_on(connect(&relay, &tokens, 0..100.min(count)))?;
    let (before, began) = (meter.memory()?, Instant::now());
    let rest = runtime.block_on(connect(&relay, &tokens, warm.len()..count))?;
    let took = began.elapsed();
    // What greeting needed for a moment is given back.
    std::thread::sleep(Duration::from_secs(1));
    let grown = meter.memory()?.saturating_sub(before);
    let each = grown as f64 / rest.len() as f64;
    let limit = if count < wanted {
        format!(" ({wanted} wanted; the limit of descriptors allows no more)")
    } else {
        String::new()
    };
    let line = Line::new(format!("{count} silent connections{limit}"))
        .figure(format!("{:.1} KiB of the relay's memory each, {} in all", each / 1024.0, bytes(meter.memory()?)))
        .figure(format!("{:.0} connections/s made", rate(rest.len(), took)))
        .at_most("each", (each / 102.4).round() / 10.0, GOAL_KIBIBYTES, "KiB");
    runtime.block_on(async {
        let mut all = JoinSet::new();
        warm.into_iter().chain(rest).for_each(|device| drop(all.spawn(device.close())));
        while all.join_next().await.is_some() {}
    });
    Ok(vec![line])
}

/// Raises the limit of open files as far as allowed, for us and for the relay that we start; says how many connections
/// fit.
fn descriptors() -> Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    let highest = limit.maximum.unwrap_or(1 << 20);
    setrlimit(Resource::Nofile, Rlimit { current: Some(highest), maximum: limit.maximum })?;
    Ok(usize::try_from(highest.saturating_sub(SPARE))?)
}

async fn connect(relay: &Relay, tokens: &[String], range: std::ops::Range<usize>) -> Result<Vec<Device>> {
    let mut devices = Vec::with_capacity(range.len());
    let numbers: Vec<usize> = range.collect();
    for some in numbers.chunks(AT_ONCE) {
        let made = some.iter().map(|number| one(relay, tokens, *number));
        devices.extend(futures_util::future::try_join_all(made).await?);
    }
    Ok(devices)
}

/// Source addresses differ, because one has fewer ports than there may be connections.
async fn one(relay: &Relay, tokens: &[String], number: usize) -> Result<Device> {
    let token = tokens.get(number / PER_ACCOUNT).context("each thousand has its account")?;
    let host = u8::try_from(2 + number / PER_ADDRESS)?;
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0)))?;
    let stream: TcpStream = socket.connect(relay.address()).await?;
    Device::connect_on(stream, relay.address(), Login::new(DeviceId(id(17, number)), token)).await
}
