//! An editing trace, typed into vaults and synchronised through a relay: a vault for each author, and each sees of the
//! others exactly what its author had seen.

mod author; // one of them
mod spaces; // three or more: a space each
#[cfg(test)]
mod tests; // traces that were never typed

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use editor_vault::{ChangeHash, Document, Draft, Vault, Violation};
use system_tests::{Patch, Relay, Run, Trace};

use self::author::Author;
use self::spaces::Spaces;
use crate::Bench;
use crate::report::{Line, Times};
use crate::workloads::{PATIENCE, connected};

const BODY: &str = "/body";

pub(crate) fn run(bench: &Bench, file: &Path, devices: usize) -> Result<()> {
    let trace = Trace::read(file)?;
    ensure!(devices >= trace.agents, "{devices} device(s) for a trace of {} authors; name more", trace.agents);
    let Replayed { text, typed, typing, everywhere } = replay(bench, &bench.relay()?, &trace, devices)?;
    println!(
        "{devices} devices, {} of them typing: the texts are equal ({} characters)",
        trace.agents,
        text.chars().count()
    );
    println!("the trace's own text: {}", if text == trace.end { "equal" } else { "DIFFERS" });
    let line = Line::new(file.file_name().unwrap_or_default().to_string_lossy())
        .rate(trace.edits(), typing, "edits typed")
        .rate(trace.edits(), everywhere, "edits shown on every device")
        .times("an edit returned", &typed);
    println!("{line}");
    Ok(())
}

/// A trace that was typed again.
struct Replayed {
    /// The text on every device.
    text: String,
    /// How long the edits took to return.
    typed: Times,
    typing: Duration,
    /// Until every device has the text.
    everywhere: Duration,
}

fn replay(bench: &Bench, relay: &Relay, trace: &Trace, devices: usize) -> Result<Replayed> {
    // A log is read from its beginning, so two who share one can be kept from each other only by what they do not push
    // yet. With three, one may have to see what another must not: each has a log of his own.
    let logs = if trace.agents > 2 { trace.agents } else { 1 };
    let tokens = (0..logs).map(|log| Ok(relay.account(&format!("author{log}"))?.token)).collect::<Result<Vec<_>>>()?;
    let mut authors = (0..trace.agents)
        .map(|number| Author::connect(relay, &tokens[number % logs], &bench.path(&format!("author{number}"))))
        .collect::<Result<Vec<_>>>()?;
    let readers = (trace.agents..devices)
        .map(|number| connected(&bench.path(&format!("reader{number}")), &relay.url(), &tokens[number % logs]))
        .collect::<Result<Vec<_>>>()?;
    let mut spaces = if logs > 1 { Some(Spaces::connect(relay, &tokens)?) } else { None };
    begin(&mut authors, spaces.as_mut())?;

    let began = Instant::now();
    let typed = match &mut authors[..] {
        [author] => author.type_alone(trace)?,
        authors => type_together(authors, trace, spaces.as_mut())?,
    };
    let typing = began.elapsed();
    match &mut spaces {
        None => authors.iter().try_for_each(Author::let_everything_pass)?,
        Some(spaces) => spaces.bring_everything(&mut authors)?,
    }
    let texts = texts(&authors, &readers)?;
    let everywhere = began.elapsed();
    ensure!(texts.iter().all(|other| *other == texts[0]), "the devices' texts differ");
    Ok(Replayed { text: texts.into_iter().next().unwrap_or_default(), typed, typing, everywhere })
}

/// The text exists on all, empty, before anybody's pushes are held back.
fn begin(authors: &mut [Author], spaces: Option<&mut Spaces>) -> Result<()> {
    let (first, _) = authors.split_first_mut().context("a trace has an author")?;
    let note = first.vault.create("note", Some("Trace"), None)?;
    note.edit(|draft| draft.splice(BODY, 0, 0, "x").and_then(|()| draft.splice(BODY, 0, 1, "")))?;
    first.vault.wait_until_settled(PATIENCE)?;
    let (id, begun) = (note.id(), note.read(|note| note.heads())?);
    let are_apart = spaces.is_some();
    first.begin(note);
    if let Some(spaces) = spaces {
        spaces.bring_everything(authors)?;
    }
    for other in &mut authors[1..] {
        let note = other.find(id)?;
        other.begin(note);
        other.wait_for(&begun)?;
    }
    if authors.len() > 1 && !are_apart {
        authors.iter().for_each(|author| author.gate.close());
    }
    Ok(())
}

/// Each sees of the others exactly what its author had seen.
fn type_together(authors: &mut [Author], trace: &Trace, mut spaces: Option<&mut Spaces>) -> Result<Times> {
    let mut times = Times::new();
    let first = authors[0].batches();
    for (order, Run { agent, seen, patches }) in (first..).zip(&trace.runs) {
        match &mut spaces {
            None => (0..authors.len()).try_for_each(|other| authors[other].let_pass(seen[other]))?,
            Some(spaces) => spaces.bring(authors, *agent, seen)?,
        }
        for (other, seen) in authors.iter().zip(seen) {
            authors[*agent].wait_for(other.heads_after(*seen))?;
        }
        times.add(authors[*agent].write(patches, order)?);
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
