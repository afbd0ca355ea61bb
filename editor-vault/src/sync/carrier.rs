//! What is shared by those who read and write on a connection: its pulse, and the TCP below everything else, which is
//! where bytes come as soon as they come. A large frame over a slow link is many signs of life.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::patience::Patience;
use super::pulse::Pulse;

/// The life of a connection, and who has to be told of what.
#[derive(Debug)]
pub(super) struct Heart {
    pulse: Mutex<Pulse>,
    /// For whoever writes: a ping is wanted.
    pub(super) ping: Notify,
    /// For whoever reads: something is due sooner than it was.
    pub(super) sooner: Notify,
}

impl Heart {
    pub(super) fn new(patience: Patience) -> Self {
        let pulse = Mutex::new(Pulse::new(patience, Instant::now()));
        Self { pulse, ping: Notify::new(), sooner: Notify::new() }
    }

    pub(super) fn pulse(&self) -> MutexGuard<'_, Pulse> {
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something leaves: an answer may be due earlier than the next ping was.
    pub(super) fn sent(&self, note: impl FnOnce(&mut Pulse)) {
        let mut pulse = self.pulse();
        let before = pulse.due_at();
        note(&mut pulse);
        if pulse.due_at() < before {
            self.sooner.notify_one();
        }
    }
}

/// TCP that notes when it is heard.
#[derive(Debug)]
pub(super) struct Carrier {
    tcp: TcpStream,
    heart: Arc<Heart>,
}

impl Carrier {
    pub(super) fn new(tcp: TcpStream, heart: Arc<Heart>) -> Self {
        Self { tcp, heart }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        if self.heart.pulse().is_given_up() {
            // What has yet to leave would compete with the same on the next connection. If this fails, it does.
            let _ = self.tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for Carrier {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { tcp, heart } = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(tcp).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            heart.pulse().heard(Instant::now());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Carrier {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
