//! Recorded editing sessions: who typed what, and what each author had seen when it was typed.
//!
//! The format is that of the editing-traces collection: `txns[].patches[] = [position, deleted, inserted]`. A trace of
//! kind `concurrent` names, per transaction, its agent and its parents; any other is one author's, in order.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// An editing trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// How many authors it has.
    pub agents: usize,
    /// What was typed, causes before effects.
    pub runs: Vec<Run>,
    /// The text at the end, as the recorder merged it.
    pub end: String,
}

/// What one author typed without anything new coming in, and without anybody else needing a part of it alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Who.
    pub agent: usize,
    /// How many runs of each author it rests on; none of the author itself, all of whose runs it rests on.
    pub seen: Vec<usize>,
    /// In order, each on top of the one before.
    pub patches: Vec<Patch>,
}

/// One edit: deletes so many characters at a place, then inserts there. Positions are Unicode code points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Where.
    pub at: usize,
    /// How many characters go.
    pub delete: usize,
    /// What comes.
    pub insert: String,
}

/// A transaction as it stands in the file, with how much it has seen of each author.
struct Transaction {
    agent: usize,
    /// Transactions of the same author before it.
    own: usize,
    /// Transactions of each other author that it rests on; shared by those that follow each other without seeing more.
    seen: Rc<[usize]>,
    patches: Vec<Patch>,
}

impl Transaction {
    /// How many transactions of an author are known to whoever knows this one.
    fn known(&self, author: usize) -> usize {
        if author == self.agent { self.own + 1 } else { self.seen[author] }
    }
}

impl Trace {
    /// Reads a trace; a name that ends in `.gz` is decompressed.
    ///
    /// # Errors
    /// If the file is none, or has an author who types without what the same author typed before.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let mut text = String::new();
        if path.extension().is_some_and(|extension| extension == "gz") {
            flate2::read::GzDecoder::new(file).read_to_string(&mut text)?;
        } else {
            { file }.read_to_string(&mut text)?;
        }
        let json = serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?;
        Self::of(&json).with_context(|| format!("{} is no editing trace", path.display()))
    }

    fn of(json: &Value) -> Result<Self> {
        let agents = json.get("numAgents").map_or(Ok(1), number)?;
        ensure!(agents > 0, "nobody typed it: numAgents is 0");
        ensure!(
            json["startContent"].as_str().unwrap_or_default().is_empty(),
            "it begins with a text that nobody typed"
        );
        let end = json["endContent"].as_str().context("endContent is missing")?.to_owned();
        let transactions = transactions(json["txns"].as_array().context("txns is missing")?, agents)?;
        Ok(Self { agents, runs: runs(transactions, agents), end })
    }

    /// How many edits it has.
    #[must_use]
    pub fn edits(&self) -> usize {
        self.runs.iter().map(|run| run.patches.len()).sum()
    }
}

fn number(value: &Value) -> Result<usize> {
    value.as_u64().and_then(|number| usize::try_from(number).ok()).with_context(|| format!("{value} is no count"))
}

fn transactions(all: &[Value], agents: usize) -> Result<Vec<Transaction>> {
    let mut read: Vec<Transaction> = Vec::with_capacity(all.len());
    let mut counts = vec![0; agents];
    for (index, json) in all.iter().enumerate() {
        let agent = json.get("agent").map_or(Ok(0), number)?;
        ensure!(agent < agents, "transaction {index} is of author {agent}, of {agents}");
        let (own, seen) = match json.get("parents").and_then(Value::as_array) {
            None => apart(counts.clone(), agent),
            Some(parents) => seen_by(agent, parents, &read, agents)?,
        };
        ensure!(own == counts[agent], "author {agent} types transaction {index} without the one before");
        counts[agent] += 1;
        let patches = json["patches"].as_array().context("patches is missing")?;
        read.push(Transaction { agent, own, seen, patches: patches.iter().map(patch).collect::<Result<_>>()? });
    }
    Ok(read)
}

/// What an author knows who has seen these parents: how many of the author's own, and how many of the others'.
fn seen_by(agent: usize, parents: &[Value], read: &[Transaction], agents: usize) -> Result<(usize, Rc<[usize]>)> {
    let parent = |parent| read.get(number(parent)?).context("a parent comes after its child");
    let parents = parents.iter().map(parent).collect::<Result<Vec<_>>>()?;
    match parents[..] {
        [parent] if parent.agent == agent => Ok((parent.own + 1, Rc::clone(&parent.seen))),
        _ => {
            let known = |author| parents.iter().map(|parent| parent.known(author)).max().unwrap_or(0);
            Ok(apart((0..agents).map(known).collect(), agent))
        }
    }
}

fn apart(mut known: Vec<usize>, agent: usize) -> (usize, Rc<[usize]>) {
    let own = std::mem::take(&mut known[agent]);
    (own, known.into())
}

fn patch(json: &Value) -> Result<Patch> {
    let insert = json[2].as_str().context("a patch inserts no text")?.to_owned();
    Ok(Patch { at: number(&json[0])?, delete: number(&json[1])?, insert })
}

/// What is known of an author while runs are made.
#[derive(Default, Clone)]
struct Typing {
    /// How many transactions others wanted to see, no more: a run ends after each such number.
    wanted: HashSet<usize>,
    /// What the last transaction had seen.
    seen: Option<Rc<[usize]>>,
    /// After how many transactions each run ended.
    ends: Vec<usize>,
    /// The run that may go on.
    last: Option<usize>,
}

/// Joins transactions that nobody can tell apart. What another author has seen ends a run, and so does seeing more.
fn runs(transactions: Vec<Transaction>, agents: usize) -> Vec<Run> {
    let mut authors = vec![Typing::default(); agents];
    for Transaction { agent, seen, .. } in &transactions {
        if authors[*agent].sees_more(seen) {
            authors.iter_mut().zip(&**seen).for_each(|(author, count)| author.wanted.extend([*count]));
        }
    }
    authors.iter_mut().for_each(|author| author.seen = None);
    let mut runs: Vec<Run> = Vec::new();
    for Transaction { agent, own, seen, patches } in transactions {
        let sees_more = authors[agent].sees_more(&seen);
        let goes_on = authors[agent].last.filter(|_| !sees_more && !authors[agent].wanted.contains(&own));
        if let Some(index) = goes_on {
            runs[index].patches.extend(patches);
            if let Some(end) = authors[agent].ends.last_mut() {
                *end = own + 1;
            }
        } else {
            let ended = |(author, count): (&Typing, &usize)| author.ends.partition_point(|end| end <= count);
            let seen = authors.iter().zip(&*seen).map(ended).collect();
            authors[agent].ends.push(own + 1);
            authors[agent].last = Some(runs.len());
            runs.push(Run { agent, seen, patches });
        }
    }
    runs
}

impl Typing {
    /// Whether the author has seen something else than at the transaction before.
    fn sees_more(&mut self, seen: &Rc<[usize]>) -> bool {
        let before = self.seen.replace(Rc::clone(seen));
        before.is_none_or(|before| !Rc::ptr_eq(&before, seen) && before != *seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn runs_of(agents: usize, transactions: &[(usize, &[usize])]) -> Vec<(usize, Vec<usize>, usize)> {
        let patches = json!([[0, 0, "x"]]);
        let txn =
            |(agent, parents): &(usize, &[usize])| json!({"agent": agent, "parents": parents, "patches": patches});
        let txns: Vec<_> = transactions.iter().map(txn).collect();
        let trace = json!({"kind": "concurrent", "numAgents": agents, "endContent": "", "txns": txns});
        let trace = Trace::of(&trace).unwrap();
        assert_eq!(trace.edits(), transactions.len());
        trace.runs.into_iter().map(|run| (run.agent, run.seen, run.patches.len())).collect()
    }

    #[test]
    fn what_nobody_saw_a_part_of_is_one_run() {
        // Both type two; then the first sees one of the second's, types, and sees the rest.
        let runs = runs_of(2, &[(0, &[]), (0, &[0]), (1, &[1]), (1, &[2]), (0, &[1]), (0, &[2, 4]), (0, &[3, 5])]);
        let expected = [(0, [0, 0], 2), (1, [1, 0], 1), (1, [1, 0], 1), (0, [0, 0], 1), (0, [0, 1], 1), (0, [0, 2], 1)];
        assert_eq!(runs, expected.map(|(agent, seen, patches)| (agent, seen.to_vec(), patches)));
    }

    #[test]
    fn three_authors_may_each_have_seen_what_the_next_has_not() {
        // After a beginning each types alone, then sees what one other typed; at the end the first sees all.
        let runs = runs_of(
            3,
            &[(0, &[]), (1, &[0]), (2, &[0]), (0, &[0]), (0, &[1, 3]), (1, &[1, 2]), (2, &[2, 3]), (0, &[4, 5, 6])],
        );
        let expected = [
            (0, [0, 0, 0]),
            (1, [1, 0, 0]),
            (2, [1, 0, 0]),
            (0, [0, 0, 0]),
            (0, [0, 1, 0]),
            (1, [1, 0, 1]),
            (2, [2, 0, 0]),
            (0, [0, 2, 2]),
        ];
        assert_eq!(runs, expected.map(|(agent, seen)| (agent, seen.to_vec(), 1)));
    }

    #[test]
    fn a_trace_without_parents_is_one_author_s() {
        let trace = Trace::of(&json!({"endContent": "ab", "txns": [
            {"patches": [[0, 0, "a"]]}, {"patches": [[1, 0, "b"], [1, 1, "b"]]},
        ]}));
        let patch = |at, delete, insert: &str| Patch { at, delete, insert: insert.into() };
        let patches = vec![patch(0, 0, "a"), patch(1, 0, "b"), patch(1, 1, "b")];
        let runs = vec![Run { agent: 0, seen: vec![0], patches }];
        assert_eq!(trace.unwrap(), Trace { agents: 1, runs, end: "ab".into() });
    }

    #[test]
    fn an_author_who_forgets_what_he_typed_is_refused() {
        let txn = |parents: &[usize]| json!({"agent": 0, "parents": parents, "patches": []});
        let forgetful = json!({"numAgents": 1, "endContent": "", "txns": [txn(&[]), txn(&[])]});
        let error = Trace::of(&forgetful).unwrap_err().to_string();
        assert!(error.contains("without the one before"), "{error}");
    }
}
