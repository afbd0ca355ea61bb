//! The shell of one session: a WebSocket on one side, storage and hub on the other, [`Session`] between them.
//!
//! One loop turns what happens into inputs and performs effects in order. It never stops reading because it cannot
//! write: answers wait in a bounded buffer ([`outgoing`]), and reads of the log are begun only while that is nearly
//! empty, so a slow device costs its cursor and one write buffer.

pub(crate) mod effects; // what is done outside the loop: authorize, append, read
mod ending; // why a session ends
mod frames; // what one input makes a session say
mod outgoing; // what waits for the socket
mod credit; // bytes of pushed batches, bounded for the whole relay

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::{BoxFuture, OptionFuture};
use futures_util::stream::{FuturesUnordered, SplitSink, SplitStream, StreamExt as _};
use sync_core::session::{Effect, Input, Session};
use sync_wire::limits::{DEAD_AFTER, FRAME_BYTES_MAX, PING_INTERVAL, SUBPROTOCOL};
use sync_wire::{
    AccountId, DeviceFrame, Goodbye, GoodbyeCode, Push, RelayFrame, ShowPresence, decode_device_frame,
    encode_relay_frame,
};
use tokio::time::Instant;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tracing::{Instrument as _, debug, info};

use crate::accept::Connection;
use crate::access::Caller;
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::app::App;
use crate::metrics;
use crate::relay::hub::{Heard, Listener};
use crate::relay::presence::{Participant, Seat, Spot};
use crate::relay::rates::{Meter, Spent};
use crate::relay::sessions::Place;
use credit::{Credit, Room};
use effects::{Operation, Peer, Task};
use ending::{End, breach, is_access_lost, on_receive_error};
use frames::Frames;
use outgoing::Outgoing;

/// The WebSocket's read buffer. Larger frames grow it for their time; the usual default of 128 KiB would be most of
/// what an idle connection costs.
const READ_BUFFER_BYTES: usize = 1024;
/// Frames are collected up to this much before they are written.
const WRITE_BUFFER_BYTES: usize = 16 << 10;
/// One frame beyond the write buffer; [`Outgoing`] never has more under way.
const WRITE_BUFFER_BYTES_MAX: usize = FRAME_BYTES_MAX + (64 << 10);
/// Frames and answers that are taken before the others of the loop get their turn.
const ARRIVED_AT_ONCE: usize = 64;
/// A session that does not read answers no pings. Its device must not think it dead, so it pings by itself after so
/// long without a word.
const UNREAD_PING_INTERVAL: Duration = Duration::from_secs(1);
/// How long the last frame may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// `GET /sync`
///
/// # Errors
/// [`Code::UpgradeRequired`], [`Code::Overloaded`]
pub async fn upgrade(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(connection): Extension<Arc<Connection>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> ApiResult<Response> {
    let upgrade = upgrade.map_err(|rejection| ApiError::new(Code::UpgradeRequired, rejection.to_string()))?;
    if !upgrade.requested_protocols().any(|protocol| protocol == SUBPROTOCOL) {
        let detail = format!("offer the WebSocket subprotocol {SUBPROTOCOL}");
        return Err(ApiError::new(Code::UpgradeRequired, detail));
    }
    let Some(place) = app.sessions.of_account(caller.account()) else {
        let max = app.config.relay.sessions_per_account_max;
        let detail = format!("the account has {max} sessions already (relay.sessions_per_account_max)");
        return Err(ApiError::new(Code::Overloaded, detail).retry_after(Duration::from_secs(30)));
    };
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_message_size(FRAME_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let span = tracing::info_span!("session", account.id = %caller.account(), peer = %connection.peer);
        let session = async move {
            let _counted = metrics::session();
            Shell::new(app, caller, place, socket).run().await;
            drop(connection); // its slot was the socket's until here
        };
        // A task of its own: this one has had to hold all that the upgrade needed.
        tokio::spawn(session.instrument(span));
    }))
}

struct Shell {
    peer: Arc<Peer>,
    _place: Place<AccountId>,
    session: Session,
    listener: Listener,
    sink: SplitSink<WebSocket, Message>,
    stream: SplitStream<WebSocket>,
    out: Outgoing<Message>,
    /// What is done outside the loop; most of it ends in an input.
    operations: FuturesUnordered<Operation>,
    /// Reads that wait until the socket has room for what they bring.
    reads: VecDeque<Effect>,
    read: Option<BoxFuture<'static, Input>>,
    /// Where its person is, and who else is there.
    seat: Seat,
    /// Others may have come, gone or moved.
    others_moved: bool,
    credit: Credit,
    /// A push that waits for room in the whole relay; meanwhile no other frame is read.
    waiting: Option<BoxFuture<'static, (Push, Room)>>,
    /// What the account has spent, here and on its other sessions.
    meter: Arc<Meter>,
    /// No frame is read before this: the account has spent its burst.
    paused_until: Option<Instant>,
    started: Instant,
    heard_at: Instant,
    sent_at: Instant,
}

/// What the loop woke up for.
enum Woken {
    Stop,
    Done(Option<Input>),
    Read(Input),
    Heard(Heard),
    Written(Result<(), axum::Error>),
    Room(Push, Room),
    Received(Option<Result<Message, axum::Error>>),
    Timer,
}

impl Shell {
    // Boxed: a future that is given a value holds it twice.
    fn new(app: App, caller: Caller, place: Place<AccountId>, socket: WebSocket) -> Box<Self> {
        let (sink, stream) = socket.split();
        let now = Instant::now();
        Box::new(Self {
            listener: app.hub.listen(),
            out: Outgoing::new(app.config.relay.answer_bytes_max),
            seat: Seat::new(&app.presence),
            others_moved: false,
            credit: Credit::new(Arc::clone(&app.pushed_bytes)),
            meter: app.rates.of(caller.account(), now),
            paused_until: None,
            peer: Arc::new(Peer::new(app, caller)),
            _place: place,
            session: Session::new(sync_core::time::Instant::default()),
            sink,
            stream,
            operations: FuturesUnordered::new(),
            reads: VecDeque::new(),
            read: None,
            waiting: None,
            started: now,
            heard_at: now,
            sent_at: now,
        })
    }

    async fn run(mut self: Box<Self>) {
        let mut stop = pin!(self.peer.app().stop.clone().cancelled_owned());
        let mut timer = pin!(tokio::time::sleep_until(self.next_timer()));
        let end = loop {
            self.begin_read();
            self.tell_of_others();
            self.pace();
            // Moved only if it must ring earlier, or has rung: most waits end long before it.
            let due = self.next_timer();
            if due < timer.deadline() || timer.is_elapsed() {
                timer.as_mut().reset(due);
            }
            let woken = self.wait(stop.as_mut(), timer.as_mut()).await;
            if let Err(end) = self.on_woken(woken) {
                break end;
            }
            if let Err(end) = self.take_arrived().await {
                break end;
            }
        };
        self.seat.leave_all(); // the goodbye may take its time
        // What was begun is finished, also for a connection that broke.
        let operations = std::mem::take(&mut self.operations);
        if !operations.is_empty() {
            tokio::spawn(operations.for_each(|_| std::future::ready(())));
        }
        match end {
            End::Goodbye(goodbye) => Box::pin(self.say(goodbye)).await,
            End::Gone(why) => debug!("Session ended: {why}"),
        }
    }

    async fn wait(
        &mut self,
        stop: Pin<&mut WaitForCancellationFutureOwned>,
        timer: Pin<&mut tokio::time::Sleep>,
    ) -> Woken {
        let may_receive = self.may_receive();
        // In this order: what is done comes before what is new, and all that is done before it is written at once.
        tokio::select! {
            biased;
            () = stop => Woken::Stop,
            Some(input) = self.operations.next() => Woken::Done(input),
            heard = self.listener.bell().heard() => Woken::Heard(heard),
            Some(input) = OptionFuture::from(self.read.as_mut()) => Woken::Read(input),
            Some((push, room)) = OptionFuture::from(self.waiting.as_mut()) => Woken::Room(push, room),
            written = self.out.write(&mut self.sink), if !self.out.is_empty() => Woken::Written(written),
            received = self.stream.next(), if may_receive => Woken::Received(received),
            () = timer => Woken::Timer,
        }
    }

    /// Takes what is done and what has arrived by now, up to a bound: setting out to wait costs more than taking.
    async fn take_arrived(&mut self) -> Result<(), End> {
        for _ in 0..ARRIVED_AT_ONCE {
            let may_receive = self.may_receive();
            let Self { operations, stream, .. } = self;
            let arrived = poll_fn(|context| {
                if let Poll::Ready(Some(input)) = operations.poll_next_unpin(context) {
                    return Poll::Ready(Some(Woken::Done(input)));
                }
                if !may_receive {
                    return Poll::Ready(None);
                }
                match stream.poll_next_unpin(context) {
                    Poll::Ready(received) => Poll::Ready(Some(Woken::Received(received))),
                    Poll::Pending => Poll::Ready(None),
                }
            });
            match arrived.await {
                Some(woken) => self.on_woken(woken)?,
                None => break,
            }
        }
        Ok(())
    }

    fn on_woken(&mut self, woken: Woken) -> Result<(), End> {
        match woken {
            Woken::Stop => self.handle(Input::Shutdown { retry_after_ms: self.peer.retry_after_ms() }),
            Woken::Done(input) => input.map_or(Ok(()), |input| self.on_done(input)),
            Woken::Read(input) => {
                self.read = None;
                self.handle(input)
            }
            Woken::Heard(heard) => {
                self.others_moved |= heard.presence;
                effects::heard(heard).try_for_each(|input| self.handle(input))
            }
            Woken::Written(Ok(())) => {
                self.sent_at = Instant::now();
                Ok(())
            }
            Woken::Written(Err(error)) => Err(End::Gone(format!("cannot write: {error}"))),
            Woken::Room(push, room) => {
                self.waiting = None;
                self.heard_at = Instant::now(); // it was we who did not listen
                self.credit.hold(push.batch, room);
                self.handle(Input::Frame(DeviceFrame::Push(push)))
            }
            Woken::Received(received) => self.on_received(received),
            Woken::Timer => self.on_timer(),
        }
    }

    fn on_done(&mut self, input: Input) -> Result<(), End> {
        let hint = effects::own_hint(&input);
        self.handle(input)?;
        hint.map_or(Ok(()), |hint| self.handle(hint))
    }

    fn on_received(&mut self, received: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.heard_at = Instant::now();
        match received {
            Some(Ok(Message::Binary(bytes))) => self.on_frame(&bytes),
            Some(Ok(Message::Text(_))) => Err(breach("frames are binary; a text frame was sent".to_owned())),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Close(_))) | None => Err(End::Gone("the device closed the connection".to_owned())),
            Some(Err(error)) => Err(on_receive_error(&error)),
        }
    }

    /// Whether the next frame is read: not while one waits, and not while the account has to wait.
    fn may_receive(&self) -> bool {
        self.waiting.is_none() && self.paused_until.is_none()
    }

    /// Begins and ends the pauses of an account that speaks faster than it may. It is we who do not listen then, so
    /// silence counts from their end.
    fn pace(&mut self) {
        let now = Instant::now();
        let next = self.meter.next_at(now);
        if next > now {
            if self.paused_until.replace(next).is_none() {
                metrics::paused();
            }
        } else if self.paused_until.take().is_some() {
            self.heard_at = now;
        }
    }

    fn on_frame(&mut self, bytes: &Bytes) -> Result<(), End> {
        self.meter.spend(self.heard_at, Spent { frames: 1, bytes: bytes.len() as u64, ..Spent::default() });
        self.pace();
        match decode_device_frame(bytes) {
            Ok(Some(DeviceFrame::Push(push))) => self.on_push(push, bytes.len()),
            Ok(Some(frame)) => self.handle(Input::Frame(frame)),
            Ok(None) => Ok(()), // a kind that only newer versions know
            Err(error) => Err(breach(error.to_string())),
        }
    }

    fn on_push(&mut self, push: Push, bytes: usize) -> Result<(), End> {
        match self.credit.try_take(bytes) {
            Some(room) => {
                self.credit.hold(push.batch, room);
                self.handle(Input::Frame(DeviceFrame::Push(push)))
            }
            None => {
                self.waiting = Some(self.credit.wait(push, bytes));
                Ok(())
            }
        }
    }

    fn on_timer(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.is_deaf_at(now) {
            let detail = format!("nothing was heard for {} seconds", DEAD_AFTER.as_secs());
            return Err(End::Goodbye(Goodbye::new(GoodbyeCode::TOO_SLOW, 0, detail)));
        }
        if now >= self.ping_at() {
            self.sent_at = now;
            // If something waits, the device is not reading and would not see a ping either.
            if self.out.is_empty() {
                self.out.push_uncounted(Message::Ping(Bytes::new()), 0);
            }
        }
        self.handle(Input::Timeout)
    }

    fn is_deaf_at(&self, now: Instant) -> bool {
        self.may_receive() && now >= self.heard_at + DEAD_AFTER
    }

    fn ping_at(&self) -> Instant {
        self.sent_at + if self.may_receive() { PING_INTERVAL } else { UNREAD_PING_INTERVAL }
    }

    fn next_timer(&self) -> Instant {
        let machine = self.session.next_timeout().map(|at| self.started + at.0);
        let dead = self.may_receive().then(|| self.heard_at + DEAD_AFTER);
        [machine, dead, self.paused_until].into_iter().flatten().fold(self.ping_at(), Instant::min)
    }

    fn handle(&mut self, input: Input) -> Result<(), End> {
        let now = sync_core::time::Instant(self.started.elapsed());
        let mut effects = Vec::new();
        self.session.handle(now, input, &mut effects);
        let mut frames = Frames::with_room_for(effects.len());
        let performed = effects.into_iter().try_for_each(|effect| self.perform(effect, &mut frames));
        self.send(frames).and(performed)
    }

    fn perform(&mut self, effect: Effect, frames: &mut Frames) -> Result<(), End> {
        if let Effect::Unfollow { space } = effect {
            self.seat.leave_space(space);
        }
        match self.peer.perform(effect, &mut self.listener) {
            Task::Send(frame) => self.encode(&frame, frames),
            Task::Operation(operation) => self.operations.push(operation),
            Task::Read(read) => self.reads.push_back(read),
            Task::Show(who, presence) => self.show(who, presence),
            Task::Done => {}
            Task::Close(goodbye) => return Err(End::Goodbye(goodbye)),
        }
        Ok(())
    }

    /// Begins the next read of a log, if the socket has room for what it brings.
    fn begin_read(&mut self) {
        if self.read.is_some() || !self.out.has_room() {
            return;
        }
        self.read = self.reads.pop_front().and_then(|read| self.peer.read(&read));
    }

    fn show(&mut self, who: Participant, presence: ShowPresence) {
        let ShowPresence { space, document, content } = presence;
        self.seat.show(Instant::now(), self.listener.bell(), Spot { space, document }, who, content);
    }

    /// Tells the device of others who came, went or moved, while nothing else waits for it and it may know.
    fn tell_of_others(&mut self) {
        if !self.others_moved || self.read.is_some() || !self.reads.is_empty() || !self.session.may_be_shown_others() {
            return;
        }
        while self.out.has_room_for_presence() {
            let Some(presence) = self.seat.take_next() else {
                self.others_moved = false;
                return;
            };
            let frame = Bytes::from(encode_relay_frame(&RelayFrame::Presence(presence)));
            let len = frame.len();
            self.out.push_uncounted(Message::Binary(frame), len);
        }
    }

    fn encode(&mut self, frame: &RelayFrame, frames: &mut Frames) {
        self.credit.answered(frame);
        if let RelayFrame::Deliver(deliver) = frame {
            metrics::delivered(deliver.entries.len() as u64);
        }
        frames.add(frame);
    }

    fn send(&mut self, frames: Frames) -> Result<(), End> {
        let pushed = frames.into_each().try_for_each(|bytes| {
            let len = bytes.len();
            self.out.push(Message::Binary(bytes), len)
        });
        pushed.map_err(|detail| End::Goodbye(Goodbye::new(GoodbyeCode::TOO_SLOW, 1000, detail)))
    }

    /// Says why, if the device listens soon enough, and closes.
    async fn say(mut self: Box<Self>, goodbye: Goodbye) {
        let (code, detail) = (goodbye.code, goodbye.detail.clone());
        info!(goodbye.code = code.name(), "Session ends with {}: {detail}", code.name());
        if is_access_lost(code) {
            self.out.clear(); // nothing is sent to whoever may not read any more
        }
        let last = encode_relay_frame(&RelayFrame::Goodbye(goodbye));
        let close = CloseFrame { code: websocket_code(code), reason: code.name().into() };
        self.out.push_uncounted(Message::Binary(last.into()), 0);
        self.out.push_uncounted(Message::Close(Some(close)), 0);
        let Self { mut out, mut sink, mut stream, .. } = *self;
        let closing = async {
            if out.write(&mut sink).await.is_ok() {
                // Closing while something unread has arrived would make the other side lose the last frame.
                while let Some(Ok(_)) = stream.next().await {}
            }
        };
        let _ = tokio::time::timeout(GOODBYE_TIMEOUT, closing).await;
    }
}

fn websocket_code(code: GoodbyeCode) -> u16 {
    match code {
        GoodbyeCode::SHUTTING_DOWN => close_code::RESTART,
        GoodbyeCode::PROTOCOL | GoodbyeCode::VERSION => close_code::PROTOCOL,
        GoodbyeCode::TOO_SLOW | GoodbyeCode::OVERLOADED => close_code::AGAIN,
        GoodbyeCode::UNAVAILABLE => close_code::ERROR,
        _ => close_code::POLICY,
    }
}
