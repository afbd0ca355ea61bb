//! Two people who typed into one text at the same time, typed again by two vaults: each sees of the other exactly what
//! its author had seen. The trace is found through `VAULT_REAL_DATA`; without it this test says that it did not run.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use document::Document as Memory;
use editor_vault::{Actor, ChangeHash, Connection, Document, Draft, Vault, Violation, Watch};
use sync_wire::Blob;
use system_tests::{Gate, Patch, Trace};

use crate::real_data::real_data;
use crate::world::{World, eventually};

const BODY: &str = "/body";
const PATIENCE: Duration = Duration::from_secs(60);

/// One author's vault, behind a gate that holds back what it pushes.
struct Author {
    vault: Vault,
    gate: Gate,
    watch: Watch,
    note: Document,
    /// What it wrote, one change for each run.
    written: Vec<ChangeHash>,
}

impl Author {
    fn connect(world: &World, token: &str, name: &str) -> Result<(Vault, Gate)> {
        let gate = Gate::to(world.relay.address())?;
        let vault = Vault::open(world.path().join(name))?;
        vault.connect(Connection::new(gate.url()).token(token))?;
        vault.wait_until_settled(PATIENCE)?;
        Ok((vault, gate))
    }

    fn new((vault, gate): (Vault, Gate), note: Document) -> Self {
        gate.close();
        Self { watch: vault.watch(), vault, gate, note, written: Vec::new() }
    }

    fn wait_for(&self, change: ChangeHash) -> Result<()> {
        let began = Instant::now();
        while !self.note.read(|note| note.contains(&change))? {
            ensure!(began.elapsed() < PATIENCE, "{change} does not arrive");
            self.watch.next(Duration::from_millis(100));
        }
        Ok(())
    }

    fn write(&mut self, patches: &[Patch]) -> Result<()> {
        self.note.edit(|draft| type_all(draft, patches))?;
        let heads = self.note.read(Memory::heads)?;
        ensure!(heads.len() == 1, "an edit rests on everything that its author sees, so it is the only head");
        self.written.extend(heads);
        Ok(())
    }
}

fn type_all(draft: &mut Draft<'_>, patches: &[Patch]) -> Result<(), Violation> {
    patches.iter().try_for_each(|patch| draft.splice(BODY, patch.at, patch.delete, &patch.insert))
}

/// The same history without vaults, relay or network: under the same names, because names decide the order of what two
/// people insert at one place.
fn in_memory(trace: &Trace, begin: &[Blob], names: &[Vec<Actor>; 2]) -> Result<String> {
    let mut start = Memory::new(Some("note"));
    start.apply(begin)?;
    let mut texts = [start.clone(), start];
    let mut written = [Vec::new(), Vec::new()];
    let mut seen = [0, 0];
    for run in &trace.runs {
        let (own, other) = (run.agent, 1 - run.agent);
        if run.seen[other] > seen[own] {
            let new: Vec<Blob> = written[other][seen[own]..run.seen[other]].concat();
            texts[own].apply(&new)?;
            seen[own] = run.seen[other];
        }
        let name = names[own][written[own].len()];
        texts[own].edit(name, |draft| type_all(draft, &run.patches))?;
        let sealed = texts[own].seal(0)?.context("a run changes the text")?;
        written[own].push(sealed.changes.into_iter().map(|change| change.bytes).collect::<Vec<_>>());
    }
    for own in [0, 1] {
        texts[own].apply(&written[1 - own][seen[own]..].concat())?;
    }
    let [first, second] = texts.map(|text| text.text(BODY));
    ensure!(first == second, "two replicas in memory differ");
    first.context("the text is gone")
}

#[test]
fn friends_who_typed_at_the_same_time_end_with_the_same_text() -> Result<()> {
    let Some(data) = real_data("friends who typed at the same time")? else { return Ok(()) };
    let trace = Trace::read(&data.join("traces/friendsforever.json.gz"))?;
    assert_eq!((trace.agents, trace.edits()), (2, 26_078));
    let world = World::new()?;
    let ada = world.relay.account("ada")?;

    // The text exists on both, empty, before anybody's pushes are held back.
    let (first, second) =
        (Author::connect(&world, &ada.token, "first")?, Author::connect(&world, &ada.token, "second")?);
    let note = first.0.create("note", Some("Friends"), None)?;
    note.edit(|draft| draft.splice(BODY, 0, 0, "x").and_then(|()| draft.splice(BODY, 0, 1, "")))?;
    first.0.wait_until_settled(PATIENCE)?;
    let begin = note.read(Memory::changes)??;
    let mut same = None;
    eventually("the note reaches the second device", || {
        same = second.0.document(second.0.home(), note.id()).ok();
        Ok(same.as_ref().is_some_and(|same| same.read(Memory::heads).ok() == note.read(Memory::heads).ok()))
    })?;
    let same = same.context("the note is there")?;
    let mut authors = [Author::new(first, note), Author::new(second, same)];

    for run in &trace.runs {
        let seen = run.seen[1 - run.agent];
        if let Some(newest) = seen.checked_sub(1) {
            let other = &authors[1 - run.agent];
            other.gate.release(seen)?;
            authors[run.agent].wait_for(other.written[newest])?;
        }
        authors[run.agent].write(&run.patches)?;
    }
    for author in &authors {
        author.gate.release(usize::MAX)?;
        author.vault.wait_until_settled(PATIENCE)?;
    }
    for (own, other) in [(0, 1), (1, 0)] {
        authors[own].wait_for(*authors[other].written.last().context("both type")?)?;
    }

    let texts = [authors[0].note.text(BODY)?, authors[1].note.text(BODY)?];
    assert!(texts[0] == texts[1], "the two devices differ");
    let text = texts[0].clone().context("there is a text")?;
    let changes = authors[0].note.read(Memory::changes)??;
    let actors: HashMap<_, _> = changes.iter().map(|change| (change.header.hash, change.header.actor)).collect();
    let names = [0, 1].map(|own| authors[own].written.iter().map(|hash| actors[hash]).collect());
    let begin: Vec<Blob> = begin.into_iter().map(|change| change.bytes).collect();
    assert!(in_memory(&trace, &begin, &names)? == text, "the same history in memory gives another text");
    let item = world.listed("note", 1, &ada.token)?.remove(0);
    eventually("the relay shows the text", || {
        Ok(world.relay.document(&item, &ada.token)?.body["value"]["body"].as_str() == Some(text.as_str()))
    })?;
    assert!(text == trace.end, "the text is not the one that the friends had");
    Ok(())
}
