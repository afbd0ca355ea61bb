//! One author of a trace: a vault behind a gate, which knows what the vault pushed and can hold it back.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use editor_vault::{ChangeHash, Document, Vault, Watch};
use sync_wire::{Blob, DocumentId};
use system_tests::{Gate, Patch, Relay, Trace};

use super::type_all;
use crate::report::Times;
use crate::workloads::{PATIENCE, connected};

pub(super) struct Author {
    pub(super) vault: Vault,
    pub(super) gate: Gate,
    watch: Watch,
    note: Option<Document>,
    /// What it pushed of the note.
    pushed: Vec<Vec<Blob>>,
    /// For each of these batches, and those that are not pushed yet: a number that is above those of its causes.
    order: Vec<usize>,
    /// How many batches it had before anybody typed.
    begun: usize,
    typed: Vec<Typed>,
}

/// Where a run of the trace has led.
struct Typed {
    /// The author's batches.
    batches: usize,
    heads: Vec<ChangeHash>,
}

impl Author {
    pub(super) fn connect(relay: &Relay, token: &str, path: &Path) -> Result<Self> {
        let gate = Gate::to(relay.address())?;
        let vault = connected(path, &gate.url(), token)?;
        let (pushed, order, typed) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { watch: vault.watch(), vault, gate, note: None, pushed, order, begun: 0, typed })
    }

    pub(super) fn note(&self) -> Result<&Document> {
        self.note.as_ref().context("the note was made before anybody types")
    }

    /// The note that another author made.
    pub(super) fn find(&self, id: DocumentId) -> Result<Document> {
        let began = Instant::now();
        loop {
            match self.vault.document(self.vault.home(), id) {
                Ok(note) => return Ok(note),
                Err(_) if began.elapsed() < PATIENCE => drop(self.watch.next(Duration::from_millis(100))),
                Err(error) => return Err(error).context("the note does not arrive"),
            }
        }
    }

    /// Everything that was pushed until now is older than what is typed.
    pub(super) fn begin(&mut self, note: Document) {
        self.pushed = self.gate.take_pushed(note.id());
        self.begun = self.pushed.len();
        self.order = (0..self.begun).collect();
        self.note = Some(note);
    }

    /// How many batches of the note it made.
    pub(super) fn batches(&self) -> usize {
        self.order.len()
    }

    /// How many batches it had made after so many runs.
    pub(super) fn batches_after(&self, runs: usize) -> usize {
        runs.checked_sub(1).map_or(self.begun, |last| self.typed[last].batches)
    }

    /// What it had after so many runs.
    pub(super) fn heads_after(&self, runs: usize) -> &[ChangeHash] {
        runs.checked_sub(1).map_or(&[], |last| &self.typed[last].heads)
    }

    /// Lets what it pushed in its first runs pass the closed gate.
    pub(super) fn let_pass(&self, runs: usize) -> Result<()> {
        self.gate.release(self.batches_after(runs) - self.begun)
    }

    pub(super) fn let_everything_pass(&self) -> Result<()> {
        self.gate.release(usize::MAX)?;
        Ok(self.vault.wait_until_settled(PATIENCE)?)
    }

    /// Its batches from `first` to `end`, and their places in the order of all.
    pub(super) fn pushed(&mut self, first: usize, end: usize) -> Result<impl Iterator<Item = (usize, Vec<Blob>)>> {
        self.vault.wait_until_settled(PATIENCE)?;
        let id = self.note()?.id();
        self.pushed.extend(self.gate.take_pushed(id));
        let (wanted, found) = (self.order.len(), self.pushed.len());
        ensure!(wanted == found, "{wanted} edits were pushed in {found} batches; each is to be one");
        Ok(self.order[first..end].iter().copied().zip(self.pushed[first..end].iter().cloned()))
    }

    /// Every edit by itself and not waited for, as an editor does.
    pub(super) fn type_alone(&self, trace: &Trace) -> Result<Times> {
        let (note, mut times, mut last) = (self.note()?, Times::new(), None);
        for patch in trace.runs.iter().flat_map(|run| &run.patches) {
            let began = Instant::now();
            last = Some(note.edit_deferred(|draft| type_all(draft, std::slice::from_ref(patch)))?.1);
            times.add(began.elapsed());
        }
        last.context("the trace is empty")?.wait()?;
        Ok(times)
    }

    /// One edit, and how long it took.
    pub(super) fn write(&mut self, patches: &[Patch], order: usize) -> Result<Duration> {
        let before = self.note()?.read(|note| note.heads())?;
        let began = Instant::now();
        self.note()?.edit(|draft| type_all(draft, patches))?;
        let took = began.elapsed();
        let heads = self.note()?.read(|note| note.heads())?;
        // The last run of a trace may be empty: it says that somebody saw everything.
        if heads != before {
            self.order.push(order);
        }
        self.typed.push(Typed { batches: self.order.len(), heads });
        Ok(took)
    }

    pub(super) fn wait_for(&self, changes: &[ChangeHash]) -> Result<()> {
        let began = Instant::now();
        while !self.note()?.read(|note| changes.iter().all(|change| note.contains(change)))? {
            ensure!(began.elapsed() < PATIENCE, "{changes:?} do not arrive");
            self.watch.next(Duration::from_millis(100));
        }
        Ok(())
    }
}
