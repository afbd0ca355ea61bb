//! The way to a relay, up to where the first word is said: name, TCP, and TLS where it is asked for.

use std::sync::Arc;
use std::time::Duration;

use sync_core::client::Obstacle;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Url;

use crate::error::ConnectError;

/// Where and as whom to connect.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) url: Url,
    pub(super) token: String,
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
}

impl Endpoint {
    /// A name or an address.
    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default().trim_matches(['[', ']'])
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) obstacle: Obstacle,
    pub(super) detail: String,
}

impl Failure {
    pub(super) fn unreached(detail: String) -> Self {
        Self { obstacle: Obstacle::Unreached, detail }
    }

    pub(super) fn turned_away(detail: String) -> Self {
        Self { obstacle: Obstacle::TurnedAway, detail }
    }

    pub(super) fn denied(detail: String) -> Self {
        Self { obstacle: Obstacle::Denied, detail }
    }
}

/// A stream to the relay, before anything is said on it.
pub(super) enum Reached<S> {
    Plain(S),
    Tls(Box<TlsStream<S>>),
}

/// Trusts whom the platform trusts.
pub(super) fn platform_tls() -> Result<Arc<rustls::ClientConfig>, ConnectError> {
    use rustls_platform_verifier::BuilderVerifierExt;
    let fault = |error: rustls::Error| ConnectError::Tls { detail: error.to_string() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(fault)?.with_platform_verifier().map_err(fault)?;
    Ok(Arc::new(builder.with_no_client_auth()))
}

/// Name and TCP.
pub(super) async fn dial(endpoint: &Endpoint, within: Duration) -> Result<TcpStream, Failure> {
    let (host, port) = (endpoint.host(), endpoint.url.port_or_known_default().unwrap_or(443));
    let unreachable = |error| Failure::unreached(format!("{host}:{port} cannot be reached: {error}"));
    let late = |_| Failure::unreached(format!("{host}:{port} cannot be reached: no answer within {within:?}"));
    let tcp = timeout(within, TcpStream::connect((host, port))).await.map_err(late)?.map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    Ok(tcp)
}

/// TLS where it is asked for.
pub(super) async fn secure<S>(endpoint: &Endpoint, stream: S) -> Result<Reached<S>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(tls) = &endpoint.tls else { return Ok(Reached::Plain(stream)) };
    let host = endpoint.host();
    let invalid = |error| Failure::denied(format!("{host} is not a name for TLS: {error}"));
    let name = rustls::pki_types::ServerName::try_from(host.to_owned()).map_err(invalid)?;
    let insecure = |error: std::io::Error| {
        let detail = format!("{host} cannot be reached securely: {error}");
        // What rustls finds wrong with an answer is invalid data; else there was none.
        match error.kind() {
            std::io::ErrorKind::InvalidData => Failure::turned_away(detail),
            _ => Failure::unreached(detail),
        }
    };
    let tls = TlsConnector::from(tls.clone()).connect(name, stream).await.map_err(insecure)?;
    Ok(Reached::Tls(Box::new(tls)))
}
