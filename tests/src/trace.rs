//! Recorded editing sessions: who typed what, and what each author had seen when it was typed.
//!
//! The format is that of the editing-traces collection: `txns[].patches[] = [position, deleted, inserted]`. A trace of
//! kind `concurrent` names, per transaction, its agent and its parents; any other is one author's, in order.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
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
    /// How many runs of the other author, if there is one, the author had seen.
    pub seen: usize,
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
    /// Transactions of each author that it rests on, itself excluded.
    seen: [usize; Trace::AGENTS_MAX],
    patches: Vec<Patch>,
}

impl Trace {
    /// With three authors, a relay would have to keep from one what it already gave another.
    const AGENTS_MAX: usize = 2;

    /// Reads a trace; a name that ends in `.gz` is decompressed.
    ///
    /// # Errors
    /// If the file is none, or has more than two authors.
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
        let rule = "replayed are traces of one author or two";
        ensure!((1..=Self::AGENTS_MAX).contains(&agents), "it has {agents} authors; {rule}");
        ensure!(
            json["startContent"].as_str().unwrap_or_default().is_empty(),
            "it begins with a text that nobody typed"
        );
        let end = json["endContent"].as_str().context("endContent is missing")?.to_owned();
        let transactions = transactions(json["txns"].as_array().context("txns is missing")?, agents)?;
        Ok(Self { agents, runs: runs(transactions), end })
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
    let mut counts = [0; Trace::AGENTS_MAX];
    for (index, json) in all.iter().enumerate() {
        let agent = json.get("agent").map_or(Ok(0), number)?;
        ensure!(agent < agents, "transaction {index} is of author {agent}, of {agents}");
        let seen = match json.get("parents").and_then(Value::as_array) {
            None => counts,
            Some(parents) => seen_by(parents, &read)?,
        };
        if seen[agent] != counts[agent] {
            bail!("author {agent} types transaction {index} without the one before");
        }
        counts[agent] += 1;
        let patches = json["patches"].as_array().context("patches is missing")?;
        read.push(Transaction { agent, seen, patches: patches.iter().map(patch).collect::<Result<_>>()? });
    }
    Ok(read)
}

/// What rests below these parents, themselves included.
fn seen_by(parents: &[Value], read: &[Transaction]) -> Result<[usize; Trace::AGENTS_MAX]> {
    let mut seen = [0; Trace::AGENTS_MAX];
    for parent in parents {
        let parent = read.get(number(parent)?).context("a parent comes after its child")?;
        for (author, seen) in seen.iter_mut().enumerate() {
            *seen = (*seen).max(parent.seen[author] + usize::from(author == parent.agent));
        }
    }
    Ok(seen)
}

fn patch(json: &Value) -> Result<Patch> {
    let insert = json[2].as_str().context("a patch inserts no text")?.to_owned();
    Ok(Patch { at: number(&json[0])?, delete: number(&json[1])?, insert })
}

/// Joins transactions that nobody can tell apart. What the other author has seen ends a run, and so does seeing more.
fn runs(transactions: Vec<Transaction>) -> Vec<Run> {
    let mut wanted = [std::collections::HashSet::new(), std::collections::HashSet::new()];
    for Transaction { agent, seen, .. } in &transactions {
        wanted[1 - agent].insert(seen[1 - agent]);
    }
    let (mut typed, mut last) = ([0; Trace::AGENTS_MAX], [None; Trace::AGENTS_MAX]);
    // Per author: after how many transactions each run ended.
    let mut ends = [Vec::new(), Vec::new()];
    let mut runs: Vec<Run> = Vec::new();
    for Transaction { agent, seen, patches } in transactions {
        let other = seen[1 - agent];
        let seen_runs = ends[1 - agent].partition_point(|end| *end <= other);
        let goes_on = last[agent].filter(|index: &usize| runs[*index].seen == seen_runs);
        match goes_on.filter(|_| !wanted[agent].contains(&typed[agent])) {
            Some(index) => runs[index].patches.extend(patches),
            None => {
                last[agent] = Some(runs.len());
                ends[agent].push(typed[agent]);
                runs.push(Run { agent, seen: seen_runs, patches });
            }
        }
        typed[agent] += 1;
        if let Some(end) = ends[agent].last_mut() {
            *end = typed[agent];
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn runs_of(transactions: &[(usize, &[usize])]) -> Vec<(usize, usize, usize)> {
        let patches = json!([[0, 0, "x"]]);
        let txn =
            |(agent, parents): &(usize, &[usize])| json!({"agent": agent, "parents": parents, "patches": patches});
        let txns: Vec<_> = transactions.iter().map(txn).collect();
        let trace = Trace::of(&json!({"kind": "concurrent", "numAgents": 2, "endContent": "", "txns": txns})).unwrap();
        assert_eq!(trace.edits(), transactions.len());
        trace.runs.iter().map(|run| (run.agent, run.seen, run.patches.len())).collect()
    }

    #[test]
    fn what_nobody_saw_a_part_of_is_one_run() {
        // Both type two; then the first sees one of the second's, types, and sees the rest.
        let runs = runs_of(&[(0, &[]), (0, &[0]), (1, &[1]), (1, &[2]), (0, &[1]), (0, &[2, 4]), (0, &[3, 5])]);
        assert_eq!(runs, [(0, 0, 2), (1, 1, 1), (1, 1, 1), (0, 0, 1), (0, 1, 1), (0, 2, 1)]);
    }

    #[test]
    fn a_trace_without_parents_is_one_author_s() {
        let trace = Trace::of(&json!({"endContent": "ab", "txns": [
            {"patches": [[0, 0, "a"]]}, {"patches": [[1, 0, "b"], [1, 1, "b"]]},
        ]}));
        let patch = |at, delete, insert: &str| Patch { at, delete, insert: insert.into() };
        let patches = vec![patch(0, 0, "a"), patch(1, 0, "b"), patch(1, 1, "b")];
        assert_eq!(
            trace.unwrap(),
            Trace { agents: 1, runs: vec![Run { agent: 0, seen: 0, patches }], end: "ab".into() }
        );
    }

    #[test]
    fn a_trace_of_three_authors_is_refused_by_name() {
        let error = Trace::of(&json!({"numAgents": 3, "endContent": "", "txns": []})).unwrap_err().to_string();
        assert!(error.contains("3 authors"), "{error}");
    }
}
