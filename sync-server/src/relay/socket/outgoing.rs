//! What waits for the socket: answers within a reserved buffer, and at most one delivery.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Sink;
use sync_wire::limits::FRAME_BYTES_MAX;

/// A read of the log is begun only below this much, so that deliveries do not pile up.
const ROOM_BELOW_BYTES: usize = 64 << 10;

/// Presence is put here only below this much, so that no delivery waits behind more of it.
const PRESENCE_BELOW_BYTES: usize = 8 << 10;

/// See the file's head. `M` is what the socket calls one unit of writing.
#[derive(Debug)]
pub(super) struct Outgoing<M> {
    queue: VecDeque<(M, usize)>,
    queued_bytes: usize,
    /// Given to the socket and not known to have left.
    under_way_bytes: usize,
    is_flushed: bool,
    answer_bytes_max: usize,
}

impl<M> Outgoing<M> {
    pub(super) fn new(answer_bytes_max: usize) -> Self {
        Self { queue: VecDeque::new(), queued_bytes: 0, under_way_bytes: 0, is_flushed: true, answer_bytes_max }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.is_flushed
    }

    /// Whether the answer to a read of the log may be put here.
    pub(super) fn has_room(&self) -> bool {
        self.queued_bytes + self.under_way_bytes < ROOM_BELOW_BYTES
    }

    /// Whether presence of others may be put here.
    pub(super) fn has_room_for_presence(&self) -> bool {
        self.queued_bytes + self.under_way_bytes < PRESENCE_BELOW_BYTES
    }

    /// Puts a frame of `bytes` behind the others.
    ///
    /// # Errors
    /// A sentence, when more waits than a device can have caused that keeps to its credit.
    pub(super) fn push(&mut self, frame: M, bytes: usize) -> Result<(), String> {
        let max = self.answer_bytes_max + FRAME_BYTES_MAX;
        let waiting = self.queued_bytes + bytes;
        if waiting > max && !self.queue.is_empty() {
            return Err(format!("{waiting} bytes of answers wait and are not read; at most {max} may"));
        }
        self.push_uncounted(frame, bytes);
        Ok(())
    }

    /// Puts a frame behind the others, whatever waits: the last ones of a connection, and those of the socket itself.
    pub(super) fn push_uncounted(&mut self, frame: M, bytes: usize) {
        self.queued_bytes += bytes;
        self.queue.push_back((frame, bytes));
    }

    /// Drops what has not been given to the socket.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.queued_bytes = 0;
    }

    /// Writes until nothing waits. May be dropped and called again: nothing is lost.
    pub(super) async fn write<S>(&mut self, sink: &mut S) -> Result<(), S::Error>
    where
        S: Sink<M> + Unpin,
    {
        poll_fn(|context| self.poll_write(context, Pin::new(sink))).await
    }

    fn poll_write<S: Sink<M>>(
        &mut self,
        context: &mut Context<'_>,
        mut sink: Pin<&mut S>,
    ) -> Poll<Result<(), S::Error>> {
        while !self.queue.is_empty() {
            ready!(sink.as_mut().poll_ready(context))?;
            if let Some((frame, bytes)) = self.queue.pop_front() {
                self.queued_bytes -= bytes;
                self.under_way_bytes += bytes;
                self.is_flushed = false;
                sink.as_mut().start_send(frame)?;
            }
        }
        ready!(sink.poll_flush(context))?;
        self.under_way_bytes = 0;
        self.is_flushed = true;
        self.queue = VecDeque::new(); // it is empty, and an idle connection keeps no room
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_reads_nothing_is_bounded() {
        let mut out = Outgoing::new(1000);
        let taken = (0..).take_while(|_| out.push((), 100).is_ok()).count();
        assert_eq!(taken, (1000 + FRAME_BYTES_MAX) / 100);
        assert!(!out.has_room(), "and nothing is read from the log for it");
    }

    #[test]
    fn presence_leaves_room_for_a_delivery() {
        let mut out = Outgoing::new(1 << 20);
        while out.has_room_for_presence() {
            out.push_uncounted((), 1024);
        }
        assert!(out.has_room(), "a read of the log may begin");
        assert_eq!(out.queued_bytes, PRESENCE_BELOW_BYTES);
    }

    #[test]
    fn a_frame_of_full_size_always_fits_into_an_empty_buffer() {
        let mut out = Outgoing::new(0);
        assert!(out.push((), FRAME_BYTES_MAX + 1).is_ok());
    }

    #[tokio::test]
    async fn what_was_written_makes_room() {
        let mut out = Outgoing::new(1 << 20);
        out.push((), 100 << 10).unwrap();
        assert!(!out.has_room() && !out.is_empty());
        let mut sink = futures_util::sink::drain();
        let Ok(()) = out.write(&mut sink).await;
        assert!(out.has_room() && out.is_empty());
    }
}
