//! Answers that are kept current. What they come to in any story is beside a naive look in `find/story.rs`.

use std::time::Duration;

use editor_vault::{Compare, Direction, LiveQuery, Query, QueryDifference, Vault};
use serde_json::json;

use crate::find::tasks::{TASK, add, open};
use crate::find::titles;
use crate::house::{House, SOON};
use crate::relay::Relay;
use crate::syncing::sync;

fn by_points() -> Query {
    Query::of(TASK).sort("/points", Direction::Ascending).where_("/points", Compare::Present)
}

fn next(live: &mut LiveQuery) -> QueryDifference {
    live.next(SOON).unwrap().expect("something changed")
}

fn shown(live: &LiveQuery) -> Vec<String> {
    titles(&live.found()).into_iter().map(str::to_owned).collect()
}

fn furnished(vault: &Vault) {
    for (title, points) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
        add(vault, title, &json!({ "points": points }));
    }
}

#[test]
fn each_kind_of_difference_is_told() {
    let house = House::new();
    let vault = open(&house, "a");
    furnished(&vault);
    let mut live = vault.watch_query(&by_points().limit(3)).unwrap();
    assert_eq!((shown(&live), live.has_more()), (vec!["a".into(), "b".into(), "c".into()], true));
    let [a, d] = ["a", "d"].map(|title| vault.find(title).unwrap());

    a.edit(|draft| draft.put("/done", true.into())).unwrap();
    let changed = next(&mut live);
    assert_eq!((changed.changed.len(), changed.changed[0].0, &changed.added[..]), (1, 0, &[][..]));

    a.edit(|draft| draft.put("/points", json!(2.5))).unwrap();
    let moved = next(&mut live);
    assert_eq!((moved.moved.len(), moved.moved[0].0), (1, 1));
    assert_eq!(shown(&live), ["b", "a", "c"]);

    d.edit(|draft| draft.put("/points", 0.into())).unwrap();
    let pushed_out = next(&mut live);
    assert_eq!((titles(&[pushed_out.added[0].1.clone()]), pushed_out.removed.len()), (vec!["d"], 1));
    assert_eq!(shown(&live), ["d", "b", "a"]);

    vault.delete(&d).unwrap();
    let filled = next(&mut live);
    assert_eq!((filled.removed, &filled.added[0].0), (vec![(d.space(), d.id())], &2));
    assert_eq!((shown(&live), live.has_more()), (vec!["b".into(), "a".into(), "c".into()], false));

    a.edit(|draft| draft.remove("/points")).unwrap();
    assert_eq!(next(&mut live).removed, [(a.space(), a.id())]);
}

#[test]
fn what_is_none_of_its_business_is_no_difference() {
    let house = House::new();
    let vault = open(&house, "a");
    furnished(&vault);
    let mut live = vault.watch_query(&by_points().limit(2)).unwrap();
    vault.create("note", Some("n"), None).unwrap();
    add(&vault, "beyond", &json!({ "points": 9 }));
    vault.find("d").unwrap().edit(|draft| draft.put("/points", 3.into())).unwrap();
    assert_eq!(live.next(Duration::from_millis(50)).unwrap(), None);
    assert_eq!(shown(&live), ["a", "b"]);
}

#[test]
fn many_changes_at_once_are_one_difference() {
    let house = House::new();
    let vault = open(&house, "a");
    let mut live = vault.watch_query(&by_points()).unwrap();
    for number in 0..40 {
        add(&vault, &format!("t{number:02}"), &json!({ "points": number }));
    }
    let difference = next(&mut live);
    assert_eq!(difference.added.len(), 40);
    assert_eq!(live.next(Duration::ZERO).unwrap(), None);
}

#[test]
fn what_somebody_else_took_in_already_is_told_as_well() {
    let house = House::new();
    let vault = open(&house, "a");
    furnished(&vault);
    let mut live = vault.watch_query(&by_points()).unwrap();
    vault.find("a").unwrap().edit(|draft| draft.put("/points", 7.into())).unwrap();
    vault.query(&by_points()).unwrap();
    assert_eq!(next(&mut live).moved.len(), 1);
}

#[test]
fn what_another_process_does_is_told_deletions_too() {
    let house = House::new();
    let (here, there) = (open(&house, "a"), open(&house, "a"));
    furnished(&here);
    let mut live = there.watch_query(&by_points()).unwrap();
    assert_eq!(shown(&live), ["a", "b", "c", "d"]);
    here.find("b").unwrap().edit(|draft| draft.put("/points", 9.into())).unwrap();
    assert_eq!(next(&mut live).moved.len(), 1);
    here.delete(&here.find("c").unwrap()).unwrap();
    assert_eq!(next(&mut live).removed.len(), 1);
    assert_eq!(shown(&live), ["a", "d", "b"]);
}

#[test]
fn words_are_watched_too() {
    let house = House::new();
    let vault = house.open("a");
    let note = vault.create("note", Some("n"), None).unwrap();
    let mut live = vault.watch_query(&Query::of("note").matching("milk")).unwrap();
    note.edit(|draft| draft.replace_text("/body", "buy milk")).unwrap();
    assert_eq!(next(&mut live).added.len(), 1);
    note.edit(|draft| draft.replace_text("/body", "buy eggs")).unwrap();
    assert_eq!(next(&mut live).removed.len(), 1);
}

#[test]
fn a_login_in_between_keeps_what_is_found() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = open(&house, "a");
    furnished(&vault);
    let mut live = vault.watch_query(&by_points().in_space(vault.home())).unwrap();
    sync(&vault, &relay, "alice");
    let difference = next(&mut live);
    assert_eq!(difference.changed.len(), 4, "they are in a space of another name");
    assert!(live.found().iter().all(|found| found.space == vault.home()));
    vault.find("a").unwrap().edit(|draft| draft.put("/points", 9.into())).unwrap();
    assert_eq!(next(&mut live).moved.len(), 1);
}
