//! Everything that a peer may say to the HTTP port: heads, bodies in one piece and in chunks, queries, several requests
//! on one connection. What answers is the relay's whole HTTP interface, over a pipe instead of a socket.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sync_server::accept::Answer as _;
use sync_server::api::front::Front;
use sync_server::config::Config;
use sync_server::router;
use sync_server::server::Server;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;

/// What the relay takes for the head of a request.
const HEAD_BYTES_MAX: usize = 16 << 10;
const PIPE_BYTES: usize = 64 << 10;
/// What a fuzzer cannot guess, and what it writes instead.
const TOKEN: &[u8] = b"{token}";
const SPACE: &[u8] = b"{space}";

/// A relay with an account, and nobody to serve but the fuzzer.
struct Relay {
    runtime: Runtime,
    front: Arc<Front>,
    token: String,
    space: String,
    _server: Server,
    _directory: TempDir,
}

thread_local! {
    static RELAY: Relay = Relay::open();
}

pub(crate) fn run(bytes: &[u8]) {
    RELAY.with(|relay| relay.answer(bytes));
}

impl Relay {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let directory = tempfile::tempdir().expect("a directory");
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".to_owned();
        config.api.after_wait_seconds = 0; // nothing will come
        let opened = runtime.block_on(async {
            let server = Server::open(directory.path().to_owned(), config).await.expect("a relay");
            let storage = &server.app().storage;
            let account = storage.create_account("ada").await.expect("an account");
            let token = storage.create_token(account.id, "fuzz").await.expect("a token").secret;
            (server, token, account.personal_space.to_string())
        });
        let (server, token, space) = opened;
        let front = Arc::new(router::front(server.app()));
        Self { runtime, front, token, space, _server: server, _directory: directory }
    }

    fn answer(&self, bytes: &[u8]) {
        let asked = replaced(&replaced(bytes, TOKEN, self.token.as_bytes()), SPACE, self.space.as_bytes());
        let answer = self.runtime.block_on(self.ask(&asked));
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1."), "no HTTP: {answer}");
        // A panic in a handler is caught and answered.
        assert!(!answer.contains("\"code\":\"internal\""), "{answer}");
    }

    /// What is answered on one connection, which the peer ends.
    async fn ask(&self, asked: &[u8]) -> Vec<u8> {
        let (mut peer, relay) = tokio::io::duplex(PIPE_BYTES);
        let answer = service_fn(move |request| {
            let front = Arc::clone(&self.front);
            async move { Ok::<_, Infallible>(front.answer(request).await) }
        });
        let mut http = http1::Builder::new();
        let served = http.max_buf_size(HEAD_BYTES_MAX).serve_connection(TokioIo::new(relay), answer);
        let mut answered = Vec::new();
        let asking = async {
            // The relay may close before it has read everything.
            let _ = peer.write_all(asked).await;
            let _ = peer.shutdown().await;
            let _ = peer.read_to_end(&mut answered).await;
        };
        let _ = tokio::join!(served, asking);
        answered
    }
}

fn replaced(bytes: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(what.len()).position(|window| window == what) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(by);
        rest = &rest[at + what.len()..];
    }
    out.extend_from_slice(rest);
    out
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    const NOBODY: &str = "11111111111111112zwkXs";
    let head = "HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer {token}\r\n";
    let get = |path: &str| format!("GET {path} {head}\r\n");
    [
        get("/healthz"),
        get("/api/v1/openapi.json"),
        get("/api/v1/documents?space={space}&type=note&deleted=true&limit=10"),
        get("/api/v1/documents?updated_after=2026-01-01T00:00:00Z&cursor=AAAA"),
        get(&format!("/api/v1/spaces/{{space}}/documents/{NOBODY}?after=00112233aabbccdd:42&at=00112233aabbccdd:1")),
        get(&format!("/api/v1/spaces/{{space}}/documents/{NOBODY}/history?limit=1&cursor=x")),
        get("/api/v1/spaces/{space}/quarantine?limit=1000"),
        get("/api/v1/events?space={space}&after=00112233aabbccdd:42"),
        format!(
            "POST /api/v1/spaces/{{space}}/documents/{NOBODY}/repair?dry_run=true {head}content-length: 4\r\n\r\nbody"
        ),
        format!(
            "POST /api/v1/spaces/{{space}}/documents/{NOBODY}/repair {head}transfer-encoding: chunked\r\n\r\n\
             4;x=y\r\nbody\r\n0\r\nend: 1\r\n\r\n"
        ),
        format!(
            "GET /sync {head}connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: symphony-vault.1\r\n\r\n"
        ),
        format!(
            "HEAD /healthz {head}accept-encoding: br;q=0.5, zstd\r\nx-request-id: a\r\nif-none-match: W/\"1\"\r\n\r\n"
        ),
    ]
    .map(String::into_bytes)
    .to_vec()
}
