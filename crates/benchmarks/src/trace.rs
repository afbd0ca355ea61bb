//! An editing trace, typed into vaults and synchronised through a relay: one author types, or two at the same time.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use editor_vault::{ChangeHash, Document, Draft, Vault, Violation, Watch};
use system_tests::{Gate, Patch, Relay, Trace};

use crate::Bench;
use crate::report::{Line, Times};
use crate::workloads::{PATIENCE, connected};

const BODY: &str = "/body";

pub(crate) fn run(bench: &Bench, file: &Path, devices: usize) -> Result<()> {
    let trace = Trace::read(file)?;
    ensure!(devices >= trace.agents, "{devices} device(s) for a trace of {} authors; name more", trace.agents);
    let relay = bench.relay()?;
    let ada = relay.account("ada")?;
    let mut authors = (0..trace.agents)
        .map(|number| Author::connect(&relay, &ada.token, &bench.path(&format!("author{number}"))))
        .collect::<Result<Vec<_>>>()?;
    let readers = (trace.agents..devices)
        .map(|number| connected(&bench.path(&format!("reader{number}")), &relay.url(), &ada.token))
        .collect::<Result<Vec<_>>>()?;
    begin(&mut authors)?;

    let began = Instant::now();
    let typed = match &mut authors[..] {
        [author] => author.type_alone(&trace)?,
        authors => type_together(authors, &trace)?,
    };
    let typing = began.elapsed();
    for author in &authors {
        author.gate.release(usize::MAX)?;
        author.vault.wait_until_settled(PATIENCE)?;
    }
    let texts = texts(&authors, &readers)?;
    let everywhere = began.elapsed();
    let text = &texts[0];
    ensure!(texts.iter().all(|other| other == text), "the devices' texts differ");
    println!(
        "{devices} devices, {} of them typing: the texts are equal ({} characters)",
        trace.agents,
        text.chars().count()
    );
    println!("the trace's own text: {}", if *text == trace.end { "equal" } else { "DIFFERS" });
    let line = Line::new(file.file_name().unwrap_or_default().to_string_lossy())
        .rate(trace.edits(), typing, "edits typed")
        .rate(trace.edits(), everywhere, "edits shown on every device")
        .times("an edit returned", &typed);
    println!("{line}");
    Ok(())
}

/// One author's vault, behind a gate that holds back what it pushes.
struct Author {
    vault: Vault,
    gate: Gate,
    watch: Watch,
    note: Option<Document>,
    /// What it wrote, one change for each run.
    written: Vec<ChangeHash>,
}

impl Author {
    fn connect(relay: &Relay, token: &str, path: &Path) -> Result<Self> {
        let gate = Gate::to(relay.address())?;
        let vault = connected(path, &gate.url(), token)?;
        Ok(Self { watch: vault.watch(), vault, gate, note: None, written: Vec::new() })
    }

    fn note(&self) -> Result<&Document> {
        self.note.as_ref().context("the note was made before anybody types")
    }

    /// Every edit by itself and not waited for, as an editor does.
    fn type_alone(&self, trace: &Trace) -> Result<Times> {
        let (note, mut times, mut last) = (self.note()?, Times::new(), None);
        for patch in trace.runs.iter().flat_map(|run| &run.patches) {
            let began = Instant::now();
            last = Some(note.edit_deferred(|draft| type_all(draft, std::slice::from_ref(patch)))?.1);
            times.add(began.elapsed());
        }
        last.context("the trace is empty")?.wait()?;
        Ok(times)
    }

    fn wait_for(&self, change: ChangeHash) -> Result<()> {
        let began = Instant::now();
        while !self.note()?.read(|note| note.contains(&change))? {
            ensure!(began.elapsed() < PATIENCE, "{change} does not arrive");
            self.watch.next(Duration::from_millis(100));
        }
        Ok(())
    }
}

/// The text exists on all, empty, before anybody's pushes are held back.
fn begin(authors: &mut [Author]) -> Result<()> {
    let (first, others) = authors.split_first_mut().context("a trace has an author")?;
    let note = first.vault.create("note", Some("Trace"), None)?;
    note.edit(|draft| draft.splice(BODY, 0, 0, "x").and_then(|()| draft.splice(BODY, 0, 1, "")))?;
    first.vault.wait_until_settled(PATIENCE)?;
    let newest = note.read(|note| note.heads())?.first().copied().context("there is a head")?;
    for other in others.iter_mut() {
        let began = Instant::now();
        while other.note.is_none() {
            ensure!(began.elapsed() < PATIENCE, "the note does not arrive");
            other.watch.next(Duration::from_millis(100));
            other.note = other.vault.document(other.vault.home(), note.id()).ok();
        }
        other.wait_for(newest)?;
        other.gate.close();
    }
    first.note = Some(note);
    if !others.is_empty() {
        first.gate.close();
    }
    Ok(())
}

/// Each sees of the other exactly what its author had seen.
fn type_together(authors: &mut [Author], trace: &Trace) -> Result<Times> {
    let mut times = Times::new();
    for run in &trace.runs {
        if let Some(newest) = run.seen.checked_sub(1) {
            let other = &authors[1 - run.agent];
            other.gate.release(run.seen)?;
            authors[run.agent].wait_for(other.written[newest])?;
        }
        let author = &mut authors[run.agent];
        let began = Instant::now();
        author.note()?.edit(|draft| type_all(draft, &run.patches))?;
        times.add(began.elapsed());
        let heads = author.note()?.read(|note| note.heads())?;
        author.written.extend(heads);
    }
    Ok(times)
}

fn type_all(draft: &mut Draft<'_>, patches: &[Patch]) -> Result<(), Violation> {
    patches.iter().try_for_each(|patch| draft.splice(BODY, patch.at, patch.delete, &patch.insert))
}

/// The text on every device, once it has what every author wrote.
fn texts(authors: &[Author], readers: &[Vault]) -> Result<Vec<String>> {
    let mut newest = Vec::new();
    for author in authors {
        newest.extend(author.note()?.read(|note| note.heads())?);
    }
    let id = authors[0].note()?.id();
    let vaults = authors.iter().map(|author| &author.vault).chain(readers);
    vaults.map(|vault| text(vault, &vault.document(vault.home(), id)?, &newest)).collect()
}

fn text(vault: &Vault, note: &Document, newest: &[ChangeHash]) -> Result<String> {
    let (watch, began) = (vault.watch(), Instant::now());
    while !note.read(|note| newest.iter().all(|change| note.contains(change)))? {
        ensure!(began.elapsed() < PATIENCE, "the last edits do not arrive");
        watch.next(Duration::from_millis(100));
    }
    note.text(BODY)?.context("the note has a text")
}
