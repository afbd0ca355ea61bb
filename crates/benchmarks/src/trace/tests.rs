//! Traces that nobody typed, with merges of several parents, against a replay in memory.

use document::Document as Memory;
use serde_json::{Value, json};
use sync_wire::Actor;

use super::*;
use crate::Effort;
use crate::device::id;

/// Everybody types between two marks of his own, so that no two insert at one place at the same time: any CRDT ends
/// with the same text, which is a rule of the collection. Anybody deletes anywhere but the marks.
struct Author {
    document: Memory,
    actor: Actor,
    mark: char,
    /// Transactions that nothing else that he has seen rests on.
    parents: Vec<usize>,
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        // Knuth's constants for a linear congruential generator; its upper bits are good enough here.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

impl Author {
    fn see(&mut self, other: &Self, ancestors: &[Vec<bool>]) {
        let changes: Vec<_> = other.document.changes().unwrap().into_iter().map(|change| change.bytes).collect();
        self.document.apply(&changes).unwrap();
        self.parents.extend(&other.parents);
        self.parents.sort_unstable();
        self.parents.dedup();
        let parents = self.parents.clone();
        self.parents.retain(|one| !parents.iter().any(|other| ancestors[*other][*one]));
    }

    fn patches(&self, chance: &mut Chance) -> Vec<Patch> {
        let text: Vec<char> = self.document.text(BODY).unwrap_or_default().chars().collect();
        if text.is_empty() {
            return vec![Patch { at: 0, delete: 0, insert: "0.1.2.3.4.".to_owned() }];
        }
        let begin = text.iter().position(|letter| *letter == self.mark).unwrap() + 1;
        let end = begin + text[begin..].iter().position(|letter| *letter == '.').unwrap();
        let letter = char::from(b'a' + chance.below(26) as u8);
        let insert = [letter, 'é', '🙂'][chance.below(3)].to_string();
        let insert = Patch { at: begin + chance.below(end - begin + 1), delete: 0, insert };
        let victim = chance.below(text.len());
        let is_free = !text[victim].is_ascii_digit() && text[victim] != '.' && chance.below(3) == 0;
        // First, so that the place of the other is not moved.
        let delete = is_free.then(|| Patch { at: victim, delete: 1, insert: String::new() });
        let moved = |patch: &Patch| usize::from(patch.at < insert.at);
        let insert = Patch { at: insert.at - delete.as_ref().map_or(0, moved), ..insert };
        delete.into_iter().chain([insert]).collect()
    }
}

/// A trace of so many authors: now and then one sees what another has, merges included.
fn trace_of(agents: usize, transactions: usize, seed: u64) -> Value {
    let author = |number: usize| Author {
        document: Memory::new(Some("note")),
        actor: Actor(id(50, number)),
        mark: char::from_digit(number as u32, 10).unwrap(),
        parents: Vec::new(),
    };
    let (mut authors, mut chance): (Vec<_>, _) = ((0..agents).map(author).collect(), Chance(seed));
    let (mut txns, mut ancestors) = (Vec::new(), Vec::<Vec<bool>>::new());
    for number in 0..=transactions {
        let is_last = number == transactions;
        let agent = if number == 0 || is_last { 0 } else { chance.below(agents) };
        for other in 0..agents {
            let sees = is_last || authors[agent].parents.is_empty() || chance.below(2 * agents) == 0;
            if other != agent && sees && number > 0 {
                let (low, high) = authors.split_at_mut(agent.max(other));
                let (one, two) = (&mut low[agent.min(other)], &mut high[0]);
                if agent < other { one.see(two, &ancestors) } else { two.see(one, &ancestors) }
            }
        }
        let author = &mut authors[agent];
        // As in the collection, the last may change nothing, and says that everything came together.
        let patches = if is_last { Vec::new() } else { author.patches(&mut chance) };
        if !is_last {
            author.document.edit(author.actor, |draft| type_all(draft, &patches)).unwrap();
            author.document.seal(0).unwrap().unwrap();
        }
        let mut above = vec![false; transactions + 1];
        for parent in &author.parents {
            above.iter_mut().zip(&ancestors[*parent]).for_each(|(above, is_above)| *above |= is_above);
            above[*parent] = true;
        }
        ancestors.push(above);
        let patches: Vec<_> = patches.iter().map(|patch| json!([patch.at, patch.delete, patch.insert])).collect();
        txns.push(json!({"agent": agent, "parents": std::mem::replace(&mut author.parents, vec![number]),
            "patches": patches}));
    }
    let end = authors[0].document.text(BODY).unwrap();
    json!({"kind": "concurrent", "numAgents": agents, "endContent": end, "txns": txns})
}

#[track_caller]
fn check_devices_agree(agents: usize, devices: usize) {
    let bench = Bench::new(Effort::Quick).unwrap();
    let json = trace_of(agents, 60 * agents, 7 + agents as u64);
    let txns = json["txns"].as_array().unwrap();
    assert!(txns.iter().any(|txn| txn["parents"].as_array().unwrap().len() > 2.min(agents - 1)), "nobody merges");
    let file = bench.path("trace.json");
    std::fs::write(&file, json.to_string()).unwrap();
    let trace = Trace::read(&file).unwrap();
    assert_eq!(trace.agents, agents);
    let replayed = replay(&bench, &bench.relay().unwrap(), &trace, devices).unwrap();
    assert_eq!(replayed.text, trace.end);
}

#[test]
fn two_authors_who_typed_at_once_end_with_the_text_of_a_replay_in_memory() {
    check_devices_agree(2, 3);
}

#[test]
fn three_authors_who_typed_at_once_end_with_the_text_of_a_replay_in_memory() {
    check_devices_agree(3, 4);
}

#[test]
fn five_authors_who_typed_at_once_end_with_the_text_of_a_replay_in_memory() {
    check_devices_agree(5, 6);
}
