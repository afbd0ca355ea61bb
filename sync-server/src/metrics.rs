//! What is measured: every name with its unit and labels in one place, and the functions that the measured parts call.
//!
//! No label has a space, document, account or device: the number of series is bounded by the code, not by its users.
//! While no `server.metrics_listen` is configured nothing is recorded, and measuring costs nothing.

use std::fmt::Write as _;
use std::sync::OnceLock;
use std::time::Duration;

use ::metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use http::{Method, StatusCode};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use relay_storage::{IntakeTotals, Outcome};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::relay::author::error::WriteError;
use crate::relay::author::{Done, Place};

/// One name.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// As Prometheus has it; the unit is in it.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: Kind,
    /// What its series differ in.
    pub labels: &'static [&'static str],
    /// What it says.
    pub description: &'static str,
}

/// What kind of number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the process ends.
    Counter,
    /// Is what it is at the moment.
    Gauge,
    /// How often which values.
    Histogram,
}

macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $description:literal;)*) => {
        $(const $constant: &str = $name;)*

        /// Every name there is.
        pub const ALL: &[Metric] = &[
            $(Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], description: $description },)*
        ];
    };
}

metrics! {
    SESSIONS = Gauge "sync_server_sessions" [] "Devices connected to /sync";
    EVENT_STREAMS = Gauge "sync_server_event_streams" [] "Open streams of server-sent events";
    PRESENT = Gauge "sync_server_present" [] "Devices and pages in documents: one for each document in which one is shown";
    APPENDED_BATCHES = Counter "sync_server_appended_batches_total" [] "Batches appended to a log; repeated pushes are not counted";
    APPENDED_ENTRIES = Counter "sync_server_appended_entries_total" [] "Entries appended to a log";
    APPEND_SECONDS = Histogram "sync_server_append_seconds" [] "From a judged push to its durable append";
    OFFERED_ENTRIES = Counter "sync_server_offered_entries_total" [] "Entries that devices gave back to a restored log";
    OFFERED_EPOCHS = Counter "sync_server_offered_epochs_total" [] "New epochs of spaces whose log had gone another way than what devices gave back";
    DELIVERED_FRAMES = Counter "sync_server_delivered_frames_total" [] "Deliveries given to sockets";
    DELIVERED_ENTRIES = Counter "sync_server_delivered_entries_total" [] "Entries in them";
    INTAKE_BATCHES = Gauge "sync_server_intake_batches" [] "Batches of spaces with other people that wait for their check; looked at every `check.sweep_seconds`";
    INTAKE_BYTES = Gauge "sync_server_intake_bytes" [] "Their bytes";
    INTAKE_SETTLED = Counter "sync_server_intake_settled_batches_total" ["outcome"] "Batches that left the intake: `appended`, `refused` or `parked`";
    INTAKE_SECONDS = Histogram "sync_server_intake_seconds" [] "From a stored batch to its place or fate";
    CHECK_DOCUMENTS = Gauge "sync_server_check_documents" [] "Documents that wait for their check or are being checked";
    REPAIRS = Counter "sync_server_repairs_total" [] "Repairs of held documents that owners made over the API; what an operator's command does is in no process that is measured";
    REPAIRED_CHANGES = Counter "sync_server_repaired_changes_total" ["became"] "Changes that those took out of documents: `excluded` as the cause, `rewritten` because they rested on one, or `lost` with it";
    INDEXED = Counter "sync_server_indexed_documents_total" [] "Documents taken in by queries, because they moved since their type was asked for";
    WRITES = Counter "sync_server_writes_total" ["outcome"] "Documents written over HTTP: `appended`, `stored`, `unchanged` or `refused`";
    RATE_PAUSES = Counter "sync_server_rate_pauses_total" [] "Times that a session read no further because its account had spent its burst";
    HTTP_REQUESTS = Counter "sync_server_http_requests_total" ["method", "route", "status"] "Answered requests; `route` is the pattern, `website` or `none`";
    HTTP_REQUEST_SECONDS = Histogram "sync_server_http_request_seconds" ["route"] "From the head of a request to the head of its answer";
    FREE_BYTES = Gauge "sync_server_free_bytes" [] "Bytes that are free on the disk of the data directory";
    TAKES_EDITS = Gauge "sync_server_takes_edits" [] "1, or 0 while edits wait on their devices because the disk is nearly full (`care.reserve_percent`) or storage is damaged";
    FINDINGS = Gauge "sync_server_findings" [] "What the last look at the storage found wrong: that after an end in the middle, or the scrub of every `care.scrub_days`";
    STORAGE_COMMITS = Counter "sync_server_storage_commits_total" [] "Groups of writes committed; appends per commit say how well they share a flush";
}

/// Upper bounds of the buckets: from a warm read in memory to what nobody waits for.
const SECONDS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];
/// How often finished samples are folded into buckets; without it they pile up until somebody asks.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Begins to record, once for the process; `None` if something else in it records already.
#[must_use]
pub fn begin() -> Option<PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE.get_or_init(install).clone()
}

fn install() -> Option<PrometheusHandle> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL.iter().filter(|metric| metric.kind == Kind::Histogram) {
        builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), &SECONDS).ok()?;
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    ::metrics::set_global_recorder(recorder).ok()?;
    for metric in ALL {
        match metric.kind {
            Kind::Counter => ::metrics::describe_counter!(metric.name, metric.description),
            Kind::Gauge => ::metrics::describe_gauge!(metric.name, metric.description),
            Kind::Histogram => ::metrics::describe_histogram!(metric.name, metric.description),
        }
    }
    Some(handle)
}

/// Folds samples until the relay stops.
pub async fn upkeep(handle: PrometheusHandle, stop: CancellationToken) {
    let mut every = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => handle.run_upkeep(),
        }
    }
}

/// Everything as Prometheus reads it, with what is only looked at when somebody asks.
#[must_use]
pub fn render(app: &App, handle: &PrometheusHandle) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; no queue is that long")]
    gauge!(CHECK_DOCUMENTS).set(app.checker.waiting() as f64);
    counter!(STORAGE_COMMITS).absolute(app.storage.commits());
    handle.render()
}

/// Something that exists until this is dropped.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Counted {
    fn one_of(gauge: Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// A session begins.
#[must_use]
pub fn session() -> Counted {
    Counted::one_of(gauge!(SESSIONS))
}

/// An event stream begins.
#[must_use]
pub fn event_stream() -> Counted {
    Counted::one_of(gauge!(EVENT_STREAMS))
}

/// So many more are shown in a document, or fewer.
pub fn present(more: i8) {
    gauge!(PRESENT).increment(f64::from(more));
}

/// A push was appended.
pub fn appended(batches: u64, entries: u64, took: Duration) {
    counter!(APPENDED_BATCHES).increment(batches);
    counter!(APPENDED_ENTRIES).increment(entries);
    histogram!(APPEND_SECONDS).record(took);
}

/// How much waits in the intake.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; no intake is that large")]
pub fn intake(totals: IntakeTotals) {
    gauge!(INTAKE_BATCHES).set(totals.batches as f64);
    gauge!(INTAKE_BYTES).set(totals.bytes as f64);
}

/// A batch left the intake.
pub fn settled(outcome: &Outcome, waited: Duration) {
    let outcome = match outcome {
        Outcome::Appended { .. } => "appended",
        Outcome::Refused { .. } => "refused",
        _ => "parked",
    };
    counter!(INTAKE_SETTLED, "outcome" => outcome).increment(1);
    histogram!(INTAKE_SECONDS).record(waited);
}

/// A device gave entries back; `is_new` if its space began a new epoch with them.
pub fn offered(entries: u64, is_new: bool) {
    counter!(OFFERED_ENTRIES).increment(entries);
    counter!(OFFERED_EPOCHS).increment(u64::from(is_new));
}

/// An owner repaired a document.
pub fn repaired(excluded: usize, rewritten: usize, lost: usize) {
    counter!(REPAIRS).increment(1);
    for (became, changes) in [("excluded", excluded), ("rewritten", rewritten), ("lost", lost)] {
        counter!(REPAIRED_CHANGES, "became" => became).increment(changes as u64);
    }
}

/// So many documents were taken in, to be found.
pub fn taken_in(documents: u64) {
    counter!(INDEXED).increment(documents);
}

/// Somebody wrote over HTTP, or was refused.
pub fn wrote(done: &Result<Done, WriteError>) {
    let outcome = match done.as_ref().map(|done| done.place) {
        Ok(Place::Appended(_)) => "appended",
        Ok(Place::Stored) => "stored",
        Ok(Place::Unchanged(_)) => "unchanged",
        Err(_) => "refused",
    };
    counter!(WRITES, "outcome" => outcome).increment(1);
}

/// A session begins to wait for its account's average.
pub fn paused() {
    counter!(RATE_PAUSES).increment(1);
}

/// How much room is left on the disk.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; nobody needs the last byte")]
pub fn room(free: u64) {
    gauge!(FREE_BYTES).set(free as f64);
}

/// Whether edits are taken.
pub fn takes_edits(is_so: bool) {
    gauge!(TAKES_EDITS).set(f64::from(u8::from(is_so)));
}

/// So much was found wrong with the storage.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; findings are bounded")]
pub fn findings(number: usize) {
    gauge!(FINDINGS).set(number as f64);
}

/// A delivery was given to a socket.
pub fn delivered(entries: u64) {
    counter!(DELIVERED_FRAMES).increment(1);
    counter!(DELIVERED_ENTRIES).increment(entries);
}

/// A request was answered. `route` is a pattern of ours, never a path of the client.
pub fn answered(method: &Method, route: &str, status: StatusCode, took: Duration) {
    // Clients may invent methods; series must not grow with them.
    let method = match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known.to_owned(),
        _ => "other".to_owned(),
    };
    let status = status.as_str().to_owned();
    counter!(HTTP_REQUESTS, "method" => method, "route" => route.to_owned(), "status" => status).increment(1);
    histogram!(HTTP_REQUEST_SECONDS, "route" => route.to_owned()).record(took);
}

/// Counts the answers of one route; those that are frequent without looking for their series.
pub struct Answered {
    route: &'static str,
    seconds: Histogram,
    found: Counter,
    unchanged: Counter,
}

impl Answered {
    /// With a pattern of ours. Call it after [`begin`].
    #[must_use]
    pub fn of(route: &'static str) -> Self {
        let get =
            |status: &'static str| counter!(HTTP_REQUESTS, "method" => "GET", "route" => route, "status" => status);
        let seconds = histogram!(HTTP_REQUEST_SECONDS, "route" => route);
        Self { route, seconds, found: get("200"), unchanged: get("304") }
    }

    /// As [`answered`].
    pub fn record(&self, method: &Method, status: StatusCode, took: Duration) {
        match (method, status) {
            (&Method::GET, StatusCode::OK) => self.found.increment(1),
            (&Method::GET, StatusCode::NOT_MODIFIED) => self.unchanged.increment(1),
            _ => return answered(method, self.route, status, took),
        }
        self.seconds.record(took);
    }
}

impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answered").field("route", &self.route).finish_non_exhaustive()
    }
}

/// The table in `docs/operations.md`.
#[must_use]
pub fn reference() -> String {
    let mut table = "| name | kind | labels | what it says |\n|---|---|---|---|\n".to_owned();
    for Metric { name, kind, labels, description } in ALL {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(table, "| `{name}` | {kind} | {} | {description} |", labels.join(", "));
    }
    table
}
