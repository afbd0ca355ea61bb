//! The merged state over HTTP, beside a bare axum handler that serves the same bytes from a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use system_tests::{Relay, Response};

use super::{connected, runtime};
use crate::Bench;
use crate::report::{Line, Times, rate};

const CONNECTIONS: usize = 64;
/// They make two kilobytes or so.
const SETTINGS: usize = 50;

pub(crate) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let relay = bench.relay()?;
    let ada = relay.account("ada")?;
    let vault = connected(&bench.path("vault"), &relay.url(), &ada.token)?;
    let settings = vault.well_known("settings")?;
    let put = |key: usize| (format!("/base/key{key}"), "a value of some length".into());
    settings.edit(|draft| (0..SETTINGS).map(put).try_for_each(|(path, value)| draft.put(&path, value)))?;
    vault.wait_until_settled(super::PATIENCE)?;
    let path = format!("/api/v1/spaces/{}/documents/{}", vault.home(), settings.id());
    vault.disconnect();
    let answer = first_answer(&relay, &path, &ada.token)?;

    let body = bench.path("body.json");
    std::fs::write(&body, serde_json::to_vec(&answer.body)?)?;
    let bare = Bare::start(&body)?;
    // In turns, so that what disturbs the machine disturbs both.
    let turns = bench.effort.pick(2, 5);
    let turn = Duration::from_millis(bench.effort.pick(1_000, 2_500) as u64);
    let runtime = runtime()?;
    let (mut ours, mut theirs) = (Load::new(), Load::new());
    for _ in 0..turns {
        runtime.block_on(ours.run(relay.address(), &path, &ada.token, turn))?;
        runtime.block_on(theirs.run(bare.address, "/", "", turn))?;
    }
    let share = 100.0 * ours.rate() / theirs.rate();
    let bytes = body_bytes(&body)?;
    let ours = ours
        .line(&format!("relay, a document of {bytes} B by id"))
        .figure(format!("{share:.0}% of bare axum"))
        .at_least(share, 65.0, "% of bare axum")
        .within("p99", ours.times.at(0.99), Duration::from_millis(4));
    Ok(vec![ours, theirs.line("bare axum, the same bytes")])
}

fn body_bytes(body: &Path) -> Result<u64> {
    Ok(std::fs::metadata(body)?.len())
}

/// The relay folds new entries in its own time; this waits until the document is there.
fn first_answer(relay: &Relay, path: &str, token: &str) -> Result<Response> {
    let began = Instant::now();
    loop {
        let answer = relay.get(path, token)?;
        // The seed that begins the document is folded before its settings.
        let settings = answer.body["value"]["base"].as_object().map_or(0, |base| base.len());
        if answer.status == 200 && settings == SETTINGS {
            return Ok(answer);
        }
        anyhow::ensure!(began.elapsed() < Duration::from_secs(10), "the relay answered {answer:?}");
    }
}

/// What many connections that ask again and again have seen.
struct Load {
    times: Times,
    count: usize,
    took: Duration,
}

impl Load {
    fn new() -> Self {
        Self { times: Times::new(), count: 0, took: Duration::ZERO }
    }

    async fn run(&mut self, to: SocketAddr, path: &str, token: &str, time: Duration) -> Result<()> {
        let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\n{authorization}\r\n");
        let began = Instant::now();
        let until = began + time;
        let tasks: Vec<_> = (0..CONNECTIONS).map(|_| tokio::spawn(ask(to, request.clone(), until))).collect();
        for task in tasks {
            let (some, asked) = task.await??;
            self.times.merge(&some);
            self.count += asked;
        }
        self.took += began.elapsed();
        Ok(())
    }

    fn rate(&self) -> f64 {
        rate(self.count, self.took)
    }

    fn line(&self, what: &str) -> Line {
        let line = Line::new(format!("{what}, {CONNECTIONS} connections"));
        line.rate(self.count, self.took, "requests").times("answer", &self.times)
    }
}

/// One connection that asks again as soon as it has its answer.
async fn ask(to: SocketAddr, request: String, until: Instant) -> Result<(Times, usize)> {
    let mut socket = TcpStream::connect(to).await?;
    socket.set_nodelay(true)?;
    let (mut times, mut count) = (Times::new(), 0);
    let mut buffer = Vec::new();
    while Instant::now() < until {
        let began = Instant::now();
        socket.write_all(request.as_bytes()).await?;
        read_answer(&mut socket, &mut buffer).await?;
        times.add(began.elapsed());
        count += 1;
    }
    Ok((times, count))
}

/// Reads one answer with a `Content-Length`, which must be 200.
async fn read_answer(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    buffer.clear();
    loop {
        anyhow::ensure!(socket.read_buf(buffer).await? > 0, "the server closed");
        let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        anyhow::ensure!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(buffer));
        let text = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).context("no length")?;
        let end = head + 4 + length.trim().parse::<usize>()?;
        while buffer.len() < end {
            anyhow::ensure!(socket.read_buf(buffer).await? > 0, "the server closed");
        }
        return Ok(());
    }
}

/// The bare handler in a process of its own, so that both servers share the machine with the load in the same way.
struct Bare {
    process: std::process::Child,
    address: SocketAddr,
}

impl Bare {
    fn start(body: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--serve-bare").arg(body).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let stdout = process.stdout.take().context("standard output was piped two lines above")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        Ok(Self { process, address: line.trim().parse().with_context(|| format!("bare axum said {line:?}"))? })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves `body` on a free port, which it prints, until killed.
pub(crate) fn serve_bare(body: &Path) -> Result<()> {
    let body: &'static [u8] = Box::leak(std::fs::read(body)?.into_boxed_slice());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?);
        let router = Router::new().route("/", get(move || async move { ([(CONTENT_TYPE, "application/json")], body) }));
        axum::serve(listener, router).await?;
        Ok(())
    })
}
