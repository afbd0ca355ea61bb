//! samod 0.16 beside us: the workloads that both have, in the same run on the same machine.
//!
//! samod is a library and so is measured in this process, over TCP on loopback, with the storage in memory that it has
//! by default: nothing it takes is durable. Ours is on disk before it is acknowledged.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use automerge::transaction::Transactable;
use automerge::{Automerge, AutomergeError, ObjId, ObjType, ROOT, ReadDoc};
use document::Document;
use futures_util::{StreamExt, future};
use samod::{BackoffConfig, ConnectionId, DialError, Dialer, DialerHandle, DocHandle, Repo, Transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use url::Url;

use crate::Bench;
use crate::device::{Author, id};
use crate::report::{Line, Times};
use crate::workloads::runtime;

const CLIENTS: usize = 4;
const READERS: usize = 10;
const DOCUMENTS: usize = 1_000;
const CHANGES: usize = 20;
const TEXT: &str = "text";

pub(crate) fn run(bench: &Bench) -> Result<Vec<Line>> {
    runtime()?.block_on(async {
        let mut lines = vec![ingest(bench.effort.pick(300, 2_000), Automerge::new(), "a text each").await?];
        let edits = bench.effort.pick(26_000, 260_000);
        let large = large_text(edits)?;
        lines.push(ingest(bench.effort.pick(20, 50), large, &format!("one text of {edits} edits")).await?);
        lines.push(fan_out(bench.effort.pick(100, 500)).await?);
        lines.extend(many_documents(bench.effort.pick(1, 3)).await?);
        Ok(lines)
    })
}

/// A repository that others dial.
struct Server {
    repo: Repo,
    url: Url,
}

impl Server {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = Url::parse(&format!("tcp://{}", listener.local_addr()?))?;
        let repo = Repo::build_tokio().load().await;
        let acceptor = repo.make_acceptor(url.clone()).map_err(|error| anyhow!("{error:?}"))?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // The latency of small frames would otherwise be the kernel's, not samod's.
                let _ = stream.set_nodelay(true);
                let _ = acceptor.accept(Transport::from_tokio_io(stream));
            }
        });
        Ok(Self { repo, url })
    }

    async fn client(&self) -> Result<Client> {
        let repo = Repo::build_tokio().load().await;
        let (dialer, connection) = dial(&repo, &self.url).await?;
        Ok(Client { repo, dialer, connection })
    }
}

/// A repository that is connected to a server.
struct Client {
    repo: Repo,
    dialer: DialerHandle,
    connection: ConnectionId,
}

/// As samod's own for TCP, but without waiting for the other side's acknowledgement before a small frame is sent.
struct Direct(Url);

impl Dialer for Direct {
    type Error = Infallible;

    fn url(&self) -> Url {
        self.0.clone()
    }

    fn connect(&self) -> Pin<Box<dyn Future<Output = Result<Transport, DialError<Infallible>>> + Send>> {
        let to = self.0.socket_addrs(|| None);
        Box::pin(async move {
            let to = to.map_err(DialError::transient)?;
            let stream = TcpStream::connect(&to[..]).await.map_err(DialError::transient)?;
            stream.set_nodelay(true).map_err(DialError::transient)?;
            Ok(Transport::from_tokio_io(stream))
        })
    }
}

async fn dial(repo: &Repo, url: &Url) -> Result<(DialerHandle, ConnectionId)> {
    let dialer = Direct(url.clone());
    let dialer = repo.dial(BackoffConfig::default(), Arc::new(dialer)).map_err(|error| anyhow!("{error:?}"))?;
    dialer.established().await?;
    let connection = dialer.connection_id().context("an established dialer has a connection")?;
    Ok((dialer, connection))
}

async fn create(repo: &Repo, content: Automerge) -> Result<DocHandle> {
    repo.create(content).await.map_err(|error| anyhow!("{error:?}"))
}

async fn find(repo: &Repo, handle: &DocHandle) -> Result<DocHandle> {
    let found = repo.find(handle.document_id().clone()).await.map_err(|error| anyhow!("{error:?}"))?;
    found.context("the document is not found")
}

fn text_of(document: &mut Automerge) -> Result<ObjId, AutomergeError> {
    if let Some((_, text)) = document.get(ROOT, TEXT)? {
        return Ok(text);
    }
    let made = document.transact::<_, _, AutomergeError>(|change| change.put_object(ROOT, TEXT, ObjType::Text));
    made.map(|success| success.result).map_err(|failure| failure.error)
}

fn type_one(document: &mut Automerge, at: usize) -> Result<(), AutomergeError> {
    let text = text_of(document)?;
    let typed = document.transact::<_, _, AutomergeError>(|change| change.splice_text(&text, at, 0, "x"));
    typed.map(drop).map_err(|failure| failure.error)
}

/// One-character changes of four clients, until the server has acknowledged the last of each.
async fn ingest(changes: usize, content: Automerge, what: &str) -> Result<Line> {
    let server = Server::start().await?;
    let is_shared = content.get(ROOT, TEXT)?.is_some() || !content.get_heads().is_empty();
    let shared = create(&server.repo, content).await?;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let client = server.client().await?;
        let handle =
            if is_shared { find(&client.repo, &shared).await? } else { create(&client.repo, Automerge::new()).await? };
        clients.push((client, handle));
    }
    let began = Instant::now();
    let tasks: Vec<_> =
        clients.iter().map(|(client, handle)| push(handle.clone(), client.connection, changes)).collect();
    future::try_join_all(tasks).await?;
    let took = began.elapsed();
    for (client, _) in clients {
        client.dialer.close();
        client.repo.stop().await;
    }
    server.repo.stop().await;
    Ok(Line::new(format!("samod 0.16, {CLIENTS} clients, one by one into {what}")).rate(
        CLIENTS * changes,
        took,
        "changes, not durable,",
    ))
}

async fn push(handle: DocHandle, connection: ConnectionId, changes: usize) -> Result<()> {
    for at in 0..changes {
        let typed = handle.with_document_async(move |document| type_one(document, at)).await;
        typed.map_err(|error| anyhow!("{error:?}"))??;
    }
    handle.they_have_our_changes(connection).await;
    Ok(())
}

/// The text of `large-text`, written the same way.
fn large_text(edits: usize) -> Result<Automerge> {
    let mut author = Author::new(Document::new(None), id(30, 0));
    for length in 0..edits {
        author.edit(|draft| draft.splice("/text", length * 7 % (length + 1), 0, "x"))?;
    }
    Ok(Automerge::load(&author.document.snapshot()?.bytes)?)
}

/// An edit of one client until ten others have it.
async fn fan_out(count: usize) -> Result<Line> {
    let server = Server::start().await?;
    let writer = server.client().await?;
    let handle = create(&writer.repo, Automerge::new()).await?;
    put(&handle, 0)?;
    handle.they_have_our_changes(writer.connection).await;
    let (seen, mut arrivals) = mpsc::unbounded_channel();
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let reader = server.client().await?;
        let shown = find(&reader.repo, &handle).await?;
        let seen = seen.clone();
        let mut changes = Box::pin(shown.changes());
        tokio::spawn(async move {
            while changes.next().await.is_some() {
                let number = shown.with_document(|document| {
                    document.get(ROOT, "number").ok().flatten().and_then(|(value, _)| value.as_i64())
                });
                if seen.send((number, Instant::now())).is_err() {
                    return;
                }
            }
        });
        readers.push(reader);
    }
    let mut times = Times::new();
    for number in 1..=count as i64 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let began = Instant::now();
        put(&handle, number)?;
        let mut left = READERS;
        while left > 0 {
            let (shown, at) = arrivals.recv().await.context("the readers are gone")?;
            if shown == Some(number) {
                times.add(at.saturating_duration_since(began));
                left -= 1;
            }
        }
    }
    Ok(Line::new(format!("samod 0.16, {count} edits, 50 a second, to {READERS} clients")).times("visible", &times))
}

fn put(handle: &DocHandle, number: i64) -> Result<()> {
    Ok(handle.with_document(|document| {
        let put = document.transact::<_, _, AutomergeError>(|change| change.put(ROOT, "number", number));
        put.map(drop).map_err(|failure| failure.error)
    })?)
}

/// A new client finds a thousand documents; a client that has them connects again.
async fn many_documents(rounds: usize) -> Result<Vec<Line>> {
    let server = Server::start().await?;
    let mut handles = Vec::new();
    for number in 0..DOCUMENTS {
        let mut content = Automerge::new();
        for change in 0..CHANGES {
            type_one(&mut content, (number + change) % (change + 1))?;
        }
        handles.push(create(&server.repo, content).await?);
    }
    let (mut cold, mut again) = (Times::new(), Times::new());
    for _ in 0..rounds {
        let began = Instant::now();
        let mut client = server.client().await?;
        let found = future::try_join_all(handles.iter().map(|handle| find(&client.repo, handle))).await?;
        cold.add(began.elapsed());
        client.dialer.close();
        tokio::time::sleep(Duration::from_millis(200)).await;
        let began = Instant::now();
        (client.dialer, client.connection) = dial(&client.repo, &server.url).await?;
        future::join_all(found.iter().map(|handle| handle.they_have_our_changes(client.connection))).await;
        again.add(began.elapsed());
        client.dialer.close();
        client.repo.stop().await;
    }
    Ok(vec![
        Line::new(format!("samod 0.16, {DOCUMENTS} documents of {CHANGES} changes to a new client"))
            .times("found", &cold),
        Line::new(format!("samod 0.16, {DOCUMENTS} documents, nothing new, connects again")).times("in sync", &again),
    ])
}
