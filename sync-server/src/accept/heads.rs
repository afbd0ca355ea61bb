//! How long a connection may take for the head of a request, kept by one timer for each connection.
//!
//! HTTP begins and ends a time limit for every request. A timer of the runtime for each would be a good part of what a
//! small request costs, so a limit is a number here, and the one timer of the connection moves only when it fires.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use tokio::time::Instant;

/// No head is awaited.
const NONE: u64 = 0;
/// The head that is awaited did not come in time.
const PASSED: u64 = u64::MAX;

/// What HTTP believes to be a timer; good for one limit at a time, and none beyond `limit`.
#[derive(Debug, Clone)]
pub(super) struct HeadLimit(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    began: Instant,
    limit: Duration,
    /// When the head is due, in nanoseconds after `began`; or [`NONE`], or [`PASSED`].
    due: AtomicU64,
}

/// The timer itself, beside the connection that HTTP serves.
#[derive(Debug)]
pub(super) struct HeadWatch {
    shared: Arc<Shared>,
    timer: Pin<Box<tokio::time::Sleep>>,
}

#[derive(Debug)]
struct HeadSleep(Arc<Shared>);

pub(super) fn limit_heads(limit: Duration) -> (HeadLimit, HeadWatch) {
    let shared = Arc::new(Shared { began: Instant::now(), limit, due: AtomicU64::new(NONE) });
    let timer = Box::pin(tokio::time::sleep(limit));
    (HeadLimit(Arc::clone(&shared)), HeadWatch { shared, timer })
}

impl Shared {
    fn set(&self, deadline: std::time::Instant) {
        let after = deadline.saturating_duration_since(self.began.into_std()).as_nanos();
        self.due.store(u64::try_from(after).unwrap_or(PASSED - 1).max(NONE + 1), Ordering::Relaxed);
    }
}

impl HeadWatch {
    /// Lets a limit pass that is due. The connection is to be polled after it, by the same task.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) {
        while self.timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            let due = self.shared.due.load(Ordering::Relaxed);
            let at = self.shared.began + Duration::from_nanos(due);
            let next = if due == NONE || due == PASSED {
                now + self.shared.limit
            } else if at <= now {
                self.shared.due.store(PASSED, Ordering::Relaxed);
                now + self.shared.limit
            } else {
                at
            };
            self.timer.as_mut().reset(next);
        }
    }
}

impl Timer for HeadLimit {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        self.0.set(deadline);
        Box::pin(HeadSleep(Arc::clone(&self.0)))
    }

    // In place: a new sleep would be forgotten when the old one is dropped.
    fn reset(&self, _: &mut Pin<Box<dyn Sleep>>, deadline: std::time::Instant) {
        self.0.set(deadline);
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

impl Future for HeadSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0.due.load(Ordering::Relaxed) == PASSED { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Sleep for HeadSleep {}

impl Drop for HeadSleep {
    fn drop(&mut self) {
        self.0.due.store(NONE, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(40);

    /// Polls as a connection does that awaits nothing, for a while.
    async fn answer_for(watch: &mut HeadWatch, time: Duration) {
        let answering = std::future::poll_fn(|context| {
            watch.poll(context);
            Poll::<()>::Pending
        });
        assert!(tokio::time::timeout(time, answering).await.is_err());
    }

    #[tokio::test]
    async fn a_head_that_does_not_come_is_noticed_and_not_too_early() {
        let (limits, mut watch) = limit_heads(LIMIT);
        // The first head came; the second is awaited from the middle of the first limit on.
        drop(limits.sleep(LIMIT));
        answer_for(&mut watch, LIMIT / 2).await;
        let began = Instant::now();
        let mut awaited = limits.sleep(LIMIT);
        std::future::poll_fn(|context| {
            watch.poll(context);
            awaited.as_mut().poll(context)
        })
        .await;
        assert!(began.elapsed() >= LIMIT);
    }

    #[tokio::test]
    async fn no_limit_passes_while_an_answer_is_made() {
        let (limits, mut watch) = limit_heads(LIMIT);
        let mut awaited = limits.sleep(LIMIT);
        limits.reset(&mut awaited, limits.now() + LIMIT);
        drop(awaited);
        answer_for(&mut watch, 4 * LIMIT).await;
        assert_eq!(watch.shared.due.load(Ordering::Relaxed), NONE);
    }
}
