//! Honest vaults: edits in a personal space and in a team's, each timed until another device shows it.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use editor_vault::{Document, Vault};
use sync_wire::SpaceId;
use system_tests::{Account, Relay};

use super::super::{PATIENCE, connected};
use crate::Bench;
use crate::report::Times;

/// Between two edits.
const PAUSE: Duration = Duration::from_millis(20);

/// Three vaults that stay connected.
pub(super) struct Honest {
    personal: Stream,
    team: Stream,
    _vaults: [Vault; 3],
}

/// How long edits took.
pub(super) struct Seen {
    pub(super) personal: Times,
    pub(super) team: Times,
}

/// One document, edited on one device and shown on another.
struct Stream {
    path: &'static str,
    writer: Document,
    reader: Document,
}

impl Honest {
    /// The space called `team` is there already.
    pub(super) fn new(bench: &Bench, relay: &Relay, team: SpaceId) -> Result<Self> {
        let (ada, bob) = (relay.account("ada")?, relay.account("bob")?);
        for account in [&ada, &bob] {
            relay.grant(&team.to_string(), account, "editor")?;
        }
        let vault = |name: &str, account: &Account| connected(&bench.path(name), &relay.url(), &account.token);
        let (laptop, desktop, other) = (vault("laptop", &ada)?, vault("desktop", &ada)?, vault("other", &bob)?);
        let (writer, reader) = (laptop.well_known("settings")?, desktop.well_known("settings")?);
        let personal = Stream { path: "/base/number", writer, reader };
        let writer = other.create("note", Some("shared"), Some(team))?;
        other.wait_until_settled(PATIENCE)?;
        let (hints, deadline) = (desktop.watch(), Instant::now() + PATIENCE);
        let reader = loop {
            match desktop.document(team, writer.id()) {
                Err(_) if Instant::now() < deadline => drop(hints.next(PAUSE)),
                found => break found?,
            }
        };
        let team = Stream { path: "/number", writer, reader };
        let honest = Self { personal, team, _vaults: [laptop, desktop, other] };
        honest.measure(25)?; // makes the documents everywhere
        Ok(honest)
    }

    /// So many edits of each, side by side.
    pub(super) fn measure(&self, edits: u64) -> Result<Seen> {
        thread::scope(|scope| {
            let team = scope.spawn(|| self.team.measure(edits));
            let personal = self.personal.measure(edits)?;
            let team = team.join().ok().context("an honest device panicked")??;
            Ok(Seen { personal, team })
        })
    }
}

impl Stream {
    fn number(&self, document: &Document) -> Result<u64> {
        Ok(document.get(self.path)?.and_then(|value| value.as_u64()).unwrap_or(0))
    }

    fn measure(&self, edits: u64) -> Result<Times> {
        let first = self.number(&self.writer)? + 1;
        let last = first + edits - 1;
        thread::scope(|scope| {
            let (seen, arrivals) = mpsc::channel();
            let reader = scope.spawn(move || self.watch(last, &seen));
            let mut began = Vec::new();
            for number in first..=last {
                thread::sleep(PAUSE);
                began.push(Instant::now());
                self.writer.edit(|draft| draft.put(self.path, number.into()))?;
            }
            let (mut times, mut shown) = (Times::new(), first);
            for (number, at) in arrivals {
                // What came together is shown together.
                while shown <= number {
                    let edited = began.get(usize::try_from(shown - first)?).context("nobody wrote that")?;
                    times.add(at.saturating_duration_since(*edited));
                    shown += 1;
                }
            }
            reader.join().ok().context("a reader panicked")??;
            anyhow::ensure!(shown > last, "edit {shown} of {last} was never shown");
            Ok(times)
        })
    }

    /// Says when each newer number became visible, until the last one was.
    fn watch(&self, last: u64, seen: &mpsc::Sender<(u64, Instant)>) -> Result<()> {
        let hints = self.reader.vault().watch();
        let deadline = Instant::now() + PATIENCE;
        let mut newest = self.number(&self.reader)?;
        while newest < last && Instant::now() < deadline {
            let shown = self.number(&self.reader)?;
            if shown > newest {
                newest = shown;
                seen.send((shown, Instant::now())).context("nobody counts")?;
            } else {
                hints.next(Duration::from_secs(1));
            }
        }
        Ok(())
    }
}
