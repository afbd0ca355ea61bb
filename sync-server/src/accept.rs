//! The accept loop: hands connections to HTTP, and keeps peers from costing more than their share.
//!
//! Ours rather than a framework's, which waits for ever for the head of a request, has no limit on connections and
//! cannot say when upgraded sockets are done.

mod slots; // how many connections there may be, in all and from one address
mod stall; // gives up on a peer that accepts nothing

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tower::Service;
use tracing::{debug, info, warn};

use crate::config::Connections;
use slots::{Slot, Slots};
use stall::Patient;

/// Room for the head of a request; also hyper's read buffer while a connection speaks HTTP.
const HEAD_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;

/// Said to a peer for whom there is no slot, before closing. Written without waiting.
const NO_ROOM: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// What an accepted connection holds; requests find it in their extensions. A socket keeps it beyond the upgrade, so
/// that its slot stays taken and a stopping relay waits for it.
#[derive(Debug)]
pub struct Connection {
    /// The other end.
    pub peer: SocketAddr,
    _slot: Slot,
    _running: TaskTrackerToken,
}

type Asked = Request<Incoming>;

/// What answers requests: a [`tower::Service`] that cannot fail.
pub trait Answer<B>:
    Service<Asked, Response = Response<B>, Error = Infallible, Future: Send + 'static> + Clone + Send + 'static
{
}

impl<B, S> Answer<B> for S where
    S: Service<Asked, Response = Response<B>, Error = Infallible, Future: Send + 'static> + Clone + Send + 'static
{
}

/// Accepts and serves until `stop`, then lets connections finish for at most `grace`.
pub async fn run<B, S>(listener: TcpListener, service: S, limits: Connections, stop: CancellationToken, grace: Duration)
where
    S: Answer<B>,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let slots = Slots::new(limits.total_max, limits.per_address_max);
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                if let Some(connection) = admit(&stream, peer, &slots, &tasks) {
                    tokio::spawn(serve(stream, connection, service.clone(), limits.clone(), stop.clone()));
                }
            }
            Err(error) if is_of_one_peer(&error) => debug!("A peer left before it was accepted: {error}"),
            Err(error) => pause(&error, &limits).await,
        }
    }
    drop(listener);
    finish(&tasks, grace).await;
}

fn admit(stream: &TcpStream, peer: SocketAddr, slots: &Arc<Slots>, tasks: &TaskTracker) -> Option<Arc<Connection>> {
    match slots.take(peer.ip()) {
        Ok(slot) => Some(Arc::new(Connection { peer, _slot: slot, _running: tasks.token() })),
        Err(full) => {
            debug!(peer = %peer, "No room for {peer}: {full}");
            let _ = stream.try_write(NO_ROOM);
            None
        }
    }
}

async fn serve<B, S>(
    stream: TcpStream,
    connection: Arc<Connection>,
    service: S,
    limits: Connections,
    stop: CancellationToken,
) where
    S: Answer<B>,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let peer = connection.peer;
    // Without it, small frames wait for the peer's delayed acknowledgement: up to 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(peer = %peer, "Cannot set TCP_NODELAY for {peer}: {error}");
    }
    let stream = Patient::new(stream, Duration::from_secs(limits.write_stall_seconds.max(1)));
    let answer = hyper::service::service_fn(move |mut request: Asked| {
        request.extensions_mut().insert(Arc::clone(&connection));
        service.clone().call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits.header_seconds.max(1)))
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    let mut served = std::pin::pin!(served);
    let outcome = tokio::select! {
        outcome = served.as_mut() => outcome,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = outcome {
        debug!(peer = %peer, "Connection of {peer} ended: {error}");
    }
}

/// Errors of `accept` that say something about one peer and nothing about us.
fn is_of_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Out of descriptors or memory: trying again at once would only burn the processor; connections that close help.
async fn pause(error: &io::Error, limits: &Connections) {
    let wait = Duration::from_millis(limits.accept_pause_milliseconds.max(1));
    warn!("Cannot accept connections: {error}; trying again in {wait:?}");
    tokio::time::sleep(wait).await;
}

async fn finish(tasks: &TaskTracker, grace: Duration) {
    tasks.close();
    if tokio::time::timeout(grace, tasks.wait()).await.is_err() {
        info!("Stopped with {} connections still open", tasks.len());
    }
}
