//! A program with several vaults of one account: one of them writes a number ten times a second and looks over HTTP
//! until it is there, the others edit as well. It is this very executable, started again; it speaks in lines
//! `ledger WORD …`.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use editor_vault::{Connection, Document, ListFilter, Vault};
use serde_json::Value;

use super::probes::unix_milliseconds;

/// Below which directory the vaults are; without it there is nothing to do.
pub(super) const VAULTS: &str = "SOAK_VAULTS";
pub(super) const URL: &str = "SOAK_URL";
pub(super) const TOKEN: &str = "SOAK_TOKEN";
/// For how long.
pub(super) const SECONDS: &str = "SOAK_EDITOR_SECONDS";
/// The name of the test below, which is the program.
pub(super) const PROGRAM: &str = "soak::editor::program_that_edits_and_reads_back";

/// Between two probes.
const PROBE_EVERY: Duration = Duration::from_millis(100);
/// Vaults that only edit, and how often each does.
const OTHERS: u64 = 4;
const EDIT_EVERY: Duration = Duration::from_millis(200);
/// A vault begins another note after so many: a document grows with its history, and the relay with its documents.
const EDITS_OF_A_NOTE: u32 = 300;
/// Within which everything is settled when all is over.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn program_that_edits_and_reads_back() -> Result<()> {
    let Some(vaults) = std::env::var_os(VAULTS) else { return Ok(()) };
    let (url, token) = (std::env::var(URL)?, std::env::var(TOKEN)?);
    let end = Instant::now() + Duration::from_secs(std::env::var(SECONDS)?.parse()?);
    let open = |name: String| -> Result<Vault> {
        let vault = Vault::open(Path::new(&vaults).join(name))?;
        vault.connect(Connection::new(&url).token(&token))?;
        Ok(vault)
    };
    let prober = open("prober".to_owned())?;
    let others = (0..OTHERS).map(|number| open(format!("other{number}"))).collect::<Result<Vec<_>>>()?;
    prober.wait_until_settled(PATIENCE)?;
    let probes = Probes::default();
    std::thread::scope(|scope| {
        let writes = scope.spawn(|| probes.write(&prober, end));
        let reads = scope.spawn(|| probes.read(&url, &token));
        let edits = others.iter().zip(0..).map(|(vault, number)| scope.spawn(move || edit(vault, number, end)));
        let edits: Vec<_> = edits.collect();
        [writes, reads].into_iter().chain(edits).try_for_each(|work| work.join().expect("no thread panics"))
    })?;
    // Everything is everywhere.
    for vault in others.iter().chain([&prober, &prober]).chain(&others) {
        vault.wait_until_settled(PATIENCE)?;
    }
    for info in prober.list(&ListFilter::default())? {
        let value = prober.document(info.space, info.id)?.value()?;
        for vault in &others {
            ensure!(vault.document(info.space, info.id)?.value()? == value, "two vaults differ in {}", info.id);
        }
    }
    Ok(())
}

/// Edits until it is time.
fn edit(vault: &Vault, number: u64, end: Instant) -> Result<()> {
    let mut note = None;
    for edit in 0_u32.. {
        if Instant::now() >= end {
            break;
        }
        replace(current(vault, &mut note, edit, &format!("other {number}"))?, &edit.to_string())?;
        std::thread::sleep(EDIT_EVERY);
    }
    Ok(())
}

/// The note that an edit belongs to.
fn current<'a>(vault: &Vault, note: &'a mut Option<Document>, edit: u32, name: &str) -> Result<&'a Document> {
    if edit.is_multiple_of(EDITS_OF_A_NOTE) || note.is_none() {
        *note = Some(vault.create("note", Some(name), None)?);
    }
    note.as_ref().context("it was made above")
}

/// Documents stay as large as they are, and only their history grows.
fn replace(note: &Document, text: &str) -> Result<()> {
    note.edit(|draft| {
        let old = draft.text("/body").unwrap_or_default().chars().count();
        draft.splice("/body", 0, old, text)
    })?;
    Ok(())
}

/// What was written and not yet read back.
#[derive(Default)]
struct Probes {
    open: Mutex<VecDeque<Probe>>,
    /// The newest number that is on disk.
    saved: AtomicU64,
    is_done: AtomicBool,
}

/// A number, the note that it was written in, and when.
struct Probe {
    number: u64,
    note: Document,
    begin: u64,
}

impl Probes {
    fn write(&self, vault: &Vault, end: Instant) -> Result<()> {
        let (began, mut note) = (Instant::now(), None);
        for number in 1_u32.. {
            if Instant::now() >= end {
                break;
            }
            let note = current(vault, &mut note, number, "probe")?;
            let probe = Probe { number: number.into(), note: note.clone(), begin: unix_milliseconds() };
            self.open.lock().expect("nobody panics with it").push_back(probe);
            replace(note, &number.to_string())?;
            self.saved.store(number.into(), Ordering::Release);
            // On the beat, also if an edit took longer: what waits is not fewer probes.
            std::thread::sleep((PROBE_EVERY * number).saturating_sub(began.elapsed()));
        }
        self.is_done.store(true, Ordering::Release);
        Ok(())
    }

    /// Says of each what it took, once the vault knows that it is in the log, and the relay shows it.
    fn read(&self, url: &str, token: &str) -> Result<()> {
        let agent = ureq::Agent::config_builder().http_status_as_error(false);
        let agent: ureq::Agent = agent.timeout_global(Some(Duration::from_secs(1))).build().into();
        let mut last = Instant::now();
        loop {
            let (is_done, saved) = (self.is_done.load(Ordering::Acquire), self.saved.load(Ordering::Acquire));
            let oldest = self.open.lock().expect("nobody panics with it").front().map(|probe| probe.note.clone());
            if let Some(note) = oldest
                && note.status()?.pending_batches == 0
            {
                let place = format!("{url}/api/v1/spaces/{}/documents/{}", note.vault().home(), note.id());
                // Whatever goes wrong, one asks again.
                let shown = shown(&agent, &place, token).unwrap_or(0).min(saved);
                let mut open = self.open.lock().expect("nobody panics with it");
                let is_shown = |probe: &mut Probe| probe.note.id() == note.id() && probe.number <= shown;
                while let Some(Probe { begin, .. }) = open.pop_front_if(is_shown) {
                    println!("ledger probe {begin} {}", unix_milliseconds() - begin);
                    last = Instant::now();
                }
            }
            if is_done && self.open.lock().expect("nobody panics with it").is_empty() {
                return Ok(());
            }
            ensure!(!is_done || last.elapsed() < PATIENCE, "the relay never showed the last probes");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The number that the relay shows.
fn shown(agent: &ureq::Agent, place: &str, token: &str) -> Result<u64> {
    let request = agent.get(place).header("Authorization", format!("Bearer {token}"));
    let value: Value = serde_json::from_str(&request.call()?.body_mut().read_to_string()?)?;
    value["value"]["body"].as_str().context("no text")?.parse().context("no number")
}
