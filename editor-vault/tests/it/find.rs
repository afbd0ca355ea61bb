//! Documents found by their fields: beside a naive look at every document, from page to page, whoever moved them.

pub(crate) mod naive; // every document, one by one
mod story; // whatever is edited and asked
pub(crate) mod tasks; // a type with indexes of every kind

use editor_vault::{Compare, Direction, Found, Query, Vault};
use serde_json::{Value, json};

use self::naive::Asked;
use self::tasks::{TASK, add, newer_tasks, open, tasks};
use crate::house::{House, count};
use crate::relay::Relay;
use crate::syncing::sync;

/// The titles of a page.
pub(crate) fn titles(found: &[Found]) -> Vec<&str> {
    found.iter().map(|found| found.title.as_deref().unwrap_or("-")).collect()
}

fn ask(vault: &Vault, query: &Query) -> Vec<String> {
    titles(&vault.query(query).unwrap().found).into_iter().map(str::to_owned).collect()
}

fn task() -> Query {
    Query::of(TASK)
}

/// A vault with some tasks.
fn furnished(house: &House) -> Vault {
    let vault = open(house, "a");
    for (title, rest) in [
        ("bread", json!({ "points": 3, "tags": ["food", "shop"], "done": false, "place": { "floor": 1 } })),
        ("apples", json!({ "points": 10, "tags": ["food"], "done": true, "place": { "floor": -1 } })),
        ("Cable", json!({ "points": 2.5, "tags": ["shop"], "done": "half" })),
        ("dance", json!({ "points": null, "tags": [] })),
        ("élan", json!({})),
    ] {
        add(&vault, title, &rest);
    }
    vault
}

#[test]
fn filters_and_orders_mean_what_they_say() {
    let house = House::new();
    let vault = furnished(&house);
    let up = Direction::Ascending;
    for (query, expected) in [
        (task(), &["Cable", "apples", "bread", "dance", "élan"][..]),
        (task().sort("/title", Direction::Descending), &["élan", "dance", "bread", "apples", "Cable"]),
        (task().where_("/title", Compare::Equal("bread".into())), &["bread"]),
        (task().where_("/title", Compare::Equal("BREAD".into())), &[]),
        (task().where_("/title", Compare::StartsWith("é".into())), &["élan"]),
        (task().where_("/points", Compare::Above(2.into())), &["Cable", "apples", "bread"]),
        (task().where_("/points", Compare::Above(2.into())).sort("/points", up), &["Cable", "bread", "apples"]),
        (task().where_("/points", Compare::AtMost(3.into())), &["Cable", "bread"]),
        (task().where_("/points", Compare::AtMost(json!(3.0))), &["Cable", "bread"]),
        (task().where_("/points", Compare::Equal(Value::Null)), &["dance"]),
        (task().where_("/points", Compare::Absent), &["élan"]),
        (task().where_("/points", Compare::Present), &["Cable", "apples", "bread", "dance"]),
        (task().where_("/tags", Compare::Equal("shop".into())), &["Cable", "bread"]),
        (task().where_("/tags", Compare::Present), &["Cable", "apples", "bread"]),
        (task().where_("/tags", Compare::Absent), &["dance", "élan"]),
        (task().where_("/done", Compare::AtLeast(true.into())), &["apples"]),
        (task().where_("/done", Compare::Present).sort("/done", up), &["bread", "apples", "Cable"]),
        (task().where_("/place/floor", Compare::Below(0.into())), &["apples"]),
        (task().where_("/tags", Compare::Equal("food".into())).where_("/points", Compare::Below(5.into())), &["bread"]),
        (
            task().where_("/points", Compare::Above(2.into())).where_("/points", Compare::Below(5.into())),
            &["Cable", "bread"],
        ),
    ] {
        assert_eq!(ask(&vault, &query), expected, "{query:?}");
    }
}

#[test]
fn what_is_found_shows_title_and_indexed_fields() {
    let house = House::new();
    let vault = furnished(&house);
    let page = vault.query(&task().where_("/title", Compare::Equal("bread".into()))).unwrap();
    let [bread] = &page.found[..] else { panic!("{page:?}") };
    assert_eq!((bread.space, bread.title.as_deref(), &page.next), (vault.home(), Some("bread"), &None));
    let fields =
        json!({ "/title": "bread", "/points": 3, "/tags": ["food", "shop"], "/done": false, "/place/floor": 1 });
    assert_eq!(Value::Object(bread.fields.clone()), fields);
    assert!(vault.document(bread.space, bread.id).is_ok());
}

#[test]
fn pages_follow_each_other_without_gap_or_repetition_while_others_are_written() {
    let house = House::new();
    let vault = open(&house, "a");
    for number in 0..40 {
        add(&vault, &format!("task {number:02}"), &json!({ "points": number % 3 }));
    }
    for direction in [Direction::Ascending, Direction::Descending] {
        let mut asked = Asked { filters: vec![], sort: ("/points", direction), limit: 7 };
        let query = asked.query();
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let page = vault.query(&after.iter().cloned().fold(query.clone(), Query::after)).unwrap();
            assert!(page.found.len() <= 7);
            seen.extend(page.found);
            // What comes in between is before or behind, and moves nobody.
            add(&vault, "between", &json!({ "points": -1 }));
            let Some(next) = page.next else { break };
            after = Some(next.to_string().parse().unwrap());
        }
        let seen: Vec<&Found> = seen.iter().filter(|found| found.title.as_deref() != Some("between")).collect();
        asked.limit = 1000;
        let mut whole = asked.answer(&vault);
        whole.retain(|found| found.title.as_deref() != Some("between"));
        assert_eq!(seen, whole.iter().collect::<Vec<_>>(), "{direction:?}");
    }
}

#[test]
fn what_cannot_be_answered_is_refused_and_never_looked_for_in_every_document() {
    let house = House::new();
    let vault = furnished(&house);
    let place = vault.query(&task().limit(1)).unwrap().next.unwrap();
    for (query, code, words) in [
        (task().where_("/colour", Compare::Present), "not_indexed", "x-index"),
        (task().where_("/text", Compare::Present), "not_indexed", "/points"),
        (task().sort("/text", Direction::Ascending), "not_indexed", "/text"),
        (task().sort("/tags", Direction::Ascending), "not_sortable", "/tags"),
        (task().sort("/points", Direction::Ascending).after(place), "cursor", "another query"),
        (Query::of("sandwich"), "no_such_type", "sandwich"),
        (task().in_space([9; 16].into()), "no_such_space", "spaces"),
        (Query::of("settings").matching("x"), "not_searchable", "settings"),
    ] {
        let refused = vault.query(&query).unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(refused.to_string().contains(words), "{refused}");
    }
}

#[test]
fn deleted_documents_are_not_found_until_they_are_restored() {
    let house = House::new();
    let vault = furnished(&house);
    let bread = vault.find("bread").unwrap();
    let query = task().where_("/tags", Compare::Equal("shop".into()));
    assert_eq!(ask(&vault, &query), ["Cable", "bread"]);
    vault.delete(&bread).unwrap();
    assert_eq!(ask(&vault, &query), ["Cable"]);
    assert_eq!(vault.verify().unwrap(), []);
    vault.restore(&bread).unwrap();
    assert_eq!(ask(&vault, &query), ["Cable", "bread"]);
}

#[test]
fn what_another_process_writes_is_found_at_once() {
    let house = House::new();
    let (here, there) = (furnished(&house), open(&house, "a"));
    assert_eq!(ask(&there, &task()).len(), 5);
    let bread = here.find("bread").unwrap();
    for number in 0..3 {
        bread.edit(|draft| draft.put("/points", (100 + number).into())).unwrap();
        let query = task().where_("/points", Compare::Equal((100 + number).into()));
        assert_eq!((ask(&there, &query), ask(&here, &query)), (vec!["bread".to_owned()], vec!["bread".to_owned()]));
    }
    here.delete(&bread).unwrap();
    assert_eq!((ask(&there, &task()).len(), ask(&here, &task()).len()), (4, 4));
}

/// As every release before 1.004 writes: it does not know what documents are found by.
#[test]
fn what_an_older_program_writes_is_found_as_well() {
    let house = House::new();
    let vault = furnished(&house);
    assert_eq!(ask(&vault, &task()).len(), 5);
    let file = vault.file().to_path_buf();
    drop(vault);
    let older = rusqlite::Connection::open(&file).unwrap();
    let moved = "SELECT count(*) FROM documents INDEXED BY documents_unfolded WHERE type = 'task'
        AND (folded_point IS NOT point
        OR folded_generation IS NOT generation OR folded_deleted IS NOT deleted OR folded_type IS NOT type)";
    let unfolded = || older.query_row(moved, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(unfolded(), 0);
    older.execute("UPDATE documents SET deleted = 1 WHERE title = 'dance'", []).unwrap();
    older.execute("UPDATE documents SET generation = generation + 1 WHERE title = 'bread'", []).unwrap();
    assert_eq!(unfolded(), 2);
    drop(older);
    assert_eq!(ask(&open(&house, "a"), &task()).len(), 4);
}

#[test]
fn two_releases_with_other_indexes_share_a_file_and_do_not_undo_each_other() {
    let house = House::new();
    let older = furnished(&house);
    let newer = house.options("a").schemas(newer_tasks()).open().unwrap();
    newer.find("bread").unwrap().edit(|draft| draft.put("/due", "2026-12-01".into())).unwrap();
    let due = task().where_("/due", Compare::Present);
    assert_eq!(older.query(&due).unwrap_err().code(), "not_indexed");
    let renamed = task().where_("/name", Compare::Equal("bread".into()));
    for _ in 0..2 {
        assert_eq!(ask(&newer, &due), ["bread"]);
        assert_eq!(ask(&newer, &renamed), ["bread"]);
        assert_eq!(ask(&older, &task().where_("/title", Compare::Equal("bread".into()))), ["bread"]);
    }
    // Declared once; afterwards only what moves is taken in.
    let turns = |vault: &Vault| count(vault.file(), "SELECT max(turn) FROM projections");
    let before = turns(&newer);
    older.find("apples").unwrap().edit(|draft| draft.put("/due", "2027".into())).unwrap();
    assert_eq!(ask(&older, &task()).len(), 5);
    assert_eq!(ask(&newer, &due), ["apples", "bread"], "the older one took in what it has no name for");
    assert_eq!(turns(&newer), before + 1);
}

#[test]
fn a_rebuild_drops_and_makes_again_what_documents_are_found_by() {
    let house = House::new();
    let vault = furnished(&house);
    let query = task().where_("/title", Compare::Equal("bread".into()));
    let before = vault.query(&query).unwrap();
    let file = vault.file().to_path_buf();
    drop(vault);
    let spoil = "UPDATE fields SET value = x'0678'
        WHERE field = (SELECT id FROM indexes WHERE path = '/title' AND kind = 0)";
    rusqlite::Connection::open(&file).unwrap().execute(spoil, []).unwrap();
    let vault = open(&house, "a");
    assert_ne!(vault.query(&query).unwrap(), before, "nothing moved, so the file is believed");
    let codes: Vec<&str> = vault.verify().unwrap().iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["index_wrong"; 5]);
    assert!(vault.doctor().unwrap().is_empty(), "it is no damage to documents");
    vault.rebuild().unwrap();
    assert_eq!(vault.query(&query).unwrap(), before);
    assert_eq!(vault.verify().unwrap(), []);
}

#[test]
fn a_query_means_one_space_if_it_says_so() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = furnished(&house);
    sync(&vault, &relay, "alice");
    let [home] = &vault.spaces().unwrap()[..] else { panic!("one space") };
    assert_eq!(ask(&vault, &task().in_space(home.id)).len(), 5);
    let selective = task().in_space(home.id).where_("/points", Compare::Above(5.into()));
    assert_eq!(ask(&vault, &selective), ["apples"]);
}

#[test]
fn documents_that_come_through_a_relay_are_found_by_what_is_in_them() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (here, there) = (furnished(&house), open(&house, "b"));
    assert_eq!(ask(&there, &task()), [""; 0]);
    for vault in [&here, &there] {
        sync(vault, &relay, "alice");
    }
    assert_eq!(ask(&there, &task()), ask(&here, &task()));
    there.find("bread").unwrap().edit(|draft| draft.put("/title", "rolls".into())).unwrap();
    for vault in [&there, &here] {
        sync(vault, &relay, "alice");
    }
    assert_eq!(ask(&here, &task().where_("/title", Compare::StartsWith("r".into()))), ["rolls"]);
    assert!(tasks().get(TASK).is_some());
}

#[test]
fn edits_that_are_not_saved_are_not_found_and_do_not_spoil_what_is() {
    let house = House::new();
    let vault = furnished(&house);
    let bread = vault.find("bread").unwrap();
    let (_, ticket) = bread.edit_deferred(|draft| draft.put("/points", 77.into())).unwrap();
    let query = task().where_("/points", Compare::Equal(77.into()));
    vault.query(&query).unwrap();
    ticket.wait().unwrap();
    assert_eq!(ask(&vault, &query), ["bread"]);
}
