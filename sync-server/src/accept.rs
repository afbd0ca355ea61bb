//! The accept loop: hands connections to HTTP, and keeps peers from costing more than their share.
//!
//! Ours rather than a framework's, which waits for ever for the head of a request, has no limit on connections and
//! cannot say when upgraded sockets are done.

mod closing; // tells connections that the relay stops
mod heads; // how long the head of a request may take
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
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tower::Service;
use tracing::{debug, info, warn};

use crate::config::Connections;
use closing::{Closing, Told};
use heads::limit_heads;
use slots::{Slot, Slots};
use stall::Patient;

/// Room for the head of a request, whose headers HTTP itself limits to 100; also hyper's read buffer while a connection
/// speaks HTTP.
const HEAD_BYTES_MAX: usize = 16 << 10;

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

/// A request as HTTP hands it over.
pub type Asked = Request<Incoming>;

/// What answers requests, and cannot fail.
pub trait Answer: Send + Sync + 'static {
    /// What it answers with.
    type Body: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;

    /// Answers one request.
    fn answer(&self, request: Asked) -> impl Future<Output = Response<Self::Body>> + Send;
}

impl Answer for axum::Router {
    type Body = axum::body::Body;

    async fn answer(&self, request: Asked) -> Response<Self::Body> {
        let Ok(response) = self.clone().call(request).await;
        response
    }
}

/// Accepts and serves until `stop`, then lets connections finish for at most `grace`.
pub async fn run(
    listener: TcpListener,
    service: impl Answer,
    limits: Connections,
    stop: CancellationToken,
    grace: Duration,
) {
    let (service, limits, closing) = (Arc::new(service), Arc::new(limits), Closing::default());
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
                    tokio::spawn(serve(
                        stream,
                        connection,
                        Arc::clone(&service),
                        Arc::clone(&limits),
                        closing.listen(),
                    ));
                }
            }
            Err(error) if is_of_one_peer(&error) => debug!("A peer left before it was accepted: {error}"),
            Err(error) => pause(&error, &limits).await,
        }
    }
    drop(listener);
    closing.tell();
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

async fn serve(
    stream: TcpStream,
    connection: Arc<Connection>,
    service: Arc<impl Answer>,
    limits: Arc<Connections>,
    mut told: Told,
) {
    let peer = connection.peer;
    // Without it, small frames wait for the peer's delayed acknowledgement: up to 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(peer = %peer, "Cannot set TCP_NODELAY for {peer}: {error}");
    }
    let stream = Patient::new(stream, Duration::from_secs(limits.write_stall_seconds.max(1)));
    let answer = hyper::service::service_fn(move |mut request: Asked| {
        request.extensions_mut().insert(Arc::clone(&connection));
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let head_seconds = Duration::from_secs(limits.header_seconds.max(1));
    let (head_limit, mut head_watch) = limit_heads(head_seconds);
    let served = http1::Builder::new()
        .timer(head_limit)
        .header_read_timeout(head_seconds)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    let mut served = std::pin::pin!(served);
    let mut is_told = false;
    let outcome = std::future::poll_fn(|context| {
        if !is_told && told.poll(context).is_ready() {
            is_told = true;
            served.as_mut().graceful_shutdown();
        }
        head_watch.poll(context);
        served.as_mut().poll(context)
    });
    if let Err(error) = outcome.await {
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
