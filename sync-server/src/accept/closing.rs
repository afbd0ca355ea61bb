//! Tells every connection that the relay stops, at no cost while it does not.
//!
//! Asking a shared token whether it was cancelled takes a lock that all connections share, and a connection would ask
//! whenever it wakes up. Here it asks a flag, and the token only once to be woken.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// See the file's head.
#[derive(Debug, Clone, Default)]
pub(super) struct Closing {
    is_told: Arc<AtomicBool>,
    told: CancellationToken,
}

/// One connection's ear. To be polled by one task only, which is the one that is woken.
#[derive(Debug)]
pub(super) struct Told {
    closing: Closing,
    waiting: Pin<Box<WaitForCancellationFutureOwned>>,
    is_registered: bool,
}

impl Closing {
    pub(super) fn tell(&self) {
        // First the flag: whoever is woken looks at it.
        self.is_told.store(true, Ordering::SeqCst);
        self.told.cancel();
    }

    pub(super) fn listen(&self) -> Told {
        let waiting = Box::pin(self.told.clone().cancelled_owned());
        Told { closing: self.clone(), waiting, is_registered: false }
    }
}

impl Told {
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_registered && !self.closing.is_told.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        self.is_registered = true;
        self.waiting.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_listened_before_and_who_listens_after_both_hear() {
        let closing = Closing::default();
        let mut before = closing.listen();
        let heard = tokio::spawn(std::future::poll_fn(move |context| before.poll(context)));
        tokio::task::yield_now().await;
        assert!(!heard.is_finished());
        closing.tell();
        heard.await.unwrap();
        let mut after = closing.listen();
        std::future::poll_fn(move |context| after.poll(context)).await;
    }
}
