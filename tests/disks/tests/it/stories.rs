//! What is recorded is worth it: a story teller that becomes blind fails here.

use std::collections::BTreeSet;

use crash_images::number::Recorded;
use crash_images::recording::{Kind, Machine, Promise};
use crash_images::tape::Op;
use editor_vault::simulation::Durable;
use simulated_world::run::Place;

fn machines(story: u64) -> Vec<Machine> {
    let place = Place::make().unwrap();
    Recorded::of(story, place.path()).unwrap().into_machines().collect()
}

fn name(promise: &Promise) -> &'static str {
    match promise {
        Promise::Saved(_) => "saved",
        Promise::Pushed(_) => "pushed",
        Promise::Acked(..) => "acked",
        Promise::Known(..) => "known",
        Promise::Stored(_) => "stored",
        Promise::Delivered(..) => "delivered",
        Promise::Account(_) => "account",
    }
}

fn promises(machine: &Machine) -> BTreeSet<&'static str> {
    machine.promises.iter().map(|promised| name(&promised.what)).collect()
}

/// How often this is done to a file of this ending.
fn count(machine: &Machine, ending: &str, done: impl Fn(&Op) -> bool) -> usize {
    let of_name = |op: &Op| match op {
        Op::Name { name, file } if name.ends_with(ending) => Some(*file),
        _ => None,
    };
    let files: BTreeSet<_> = machine.ops.iter().filter_map(of_name).collect();
    let is_of_it = |op: &Op| match op {
        Op::Name { name, .. } | Op::Unname { name } => name.ends_with(ending),
        Op::Write { file, .. } | Op::Truncate { file, .. } | Op::Flush { file } => files.contains(file),
        Op::FlushDirectory => false,
    };
    machine.ops.iter().filter(|op| is_of_it(op) && done(op)).count()
}

#[test]
fn a_story_has_all_kinds_of_promises_and_commits_that_wait() {
    for story in 0..2 {
        for machine in machines(story) {
            match machine.kind {
                Kind::Vault => assert_eq!(promises(&machine), ["pushed", "saved"].into()),
                Kind::Relay => {
                    assert_eq!(
                        promises(&machine),
                        ["account", "acked", "delivered", "known", "stored"].into(),
                        "{story}"
                    );
                }
            }
            assert!(machine.commits.len() > 40, "{} commits in {:?}", machine.commits.len(), machine.kind);
            assert!(machine.flushes().count() > 80, "{} flushes in {:?}", machine.flushes().count(), machine.kind);
        }
        let [vault, _] = &machines(story)[..] else { panic!("two machines") };
        let waiting = vault.commits.iter().filter(|commit| commit.durable == Durable::Later).count();
        assert_eq!(waiting > 5, story == 0, "{waiting} commits of story {story} wait for the next");
    }
}

#[test]
fn a_write_ahead_log_is_made_emptied_begun_anew_and_removed() {
    let machines: Vec<_> = [0, 2].into_iter().flat_map(machines).collect();
    let in_all = |done: fn(&Op) -> bool| machines.iter().map(|machine| count(machine, "-wal", done)).sum::<usize>();
    assert!(in_all(|op| matches!(op, Op::Name { .. })) > machines.len(), "made again");
    assert!(in_all(|op| matches!(op, Op::Truncate { len: 0, .. })) > 0, "emptied");
    assert!(in_all(|op| matches!(op, Op::Unname { .. })) > 0, "removed");
    let begun = in_all(|op| matches!(op, Op::Write { at: 0, .. }));
    let emptied = in_all(|op| matches!(op, Op::Truncate { .. } | Op::Name { .. }));
    assert!(begun > emptied, "begun {begun} times, after being emptied or made {emptied} times: the rest is anew");
}

#[test]
fn a_rollback_journal_is_made_and_removed_with_each_commit() {
    for machine in machines(1) {
        let made = count(&machine, "-journal", |op| matches!(op, Op::Name { .. }));
        let removed = count(&machine, "-journal", |op| matches!(op, Op::Unname { .. }));
        assert_eq!((made, count(&machine, "-wal", |_| true)), (removed, 0));
        let mut moments: Vec<_> = machine.commits.iter().map(|commit| commit.at).collect();
        moments.dedup(); // A commit that found everything as it wanted it writes nothing, and needs no journal.
        assert!(made >= moments.len(), "{made} journals for {} commits that wrote", moments.len());
    }
}
