//! Documents found by words in their texts.

use editor_vault::{Direction, Query, Vault};

use crate::find::tasks::{TASK, add, open};
use crate::find::titles;
use crate::house::{House, count};

fn note(vault: &Vault, name: &str, body: &str) {
    let note = vault.create("note", Some(name), None).unwrap();
    note.edit(|draft| draft.replace_text("/body", body)).unwrap();
}

fn ask(vault: &Vault, query: &Query) -> Vec<String> {
    titles(&vault.query(query).unwrap().found).into_iter().map(str::to_owned).collect()
}

fn words(vault: &Vault, words: &str) -> Vec<String> {
    ask(vault, &Query::of("note").matching(words))
}

fn furnished(house: &House) -> Vault {
    let vault = house.open("a");
    note(&vault, "milk", "buy some at the corner");
    note(&vault, "shopping", "Milk, two eggs and a café crème; don't forget the eggs. re-reading");
    note(&vault, "poem", "two roads diverged in a yellow wood");
    note(&vault, "旅行", "東京タワーに行く。Then home.");
    vault
}

#[test]
fn words_phrases_and_beginnings_are_found_whatever_their_case() {
    let house = House::new();
    let vault = furnished(&house);
    for (text, expected) in [
        ("milk", &["milk", "shopping"][..]),
        ("MILK", &["milk", "shopping"]),
        ("two", &["poem", "shopping"]),
        ("two eggs", &["shopping"]),
        ("\"two roads\"", &["poem"]),
        ("\"roads two\"", &[]),
        ("diver*", &["poem"]),
        ("diver", &[]),
        ("\"two ro\"*", &["poem"]),
        ("cafe creme", &["shopping"]),
        ("don't", &["shopping"]),
        ("re-reading", &["shopping"]),
        ("東京", &["旅行"]),
        ("京東", &[]),
        ("タワー home", &["旅行"]),
        ("旅", &["旅行"]),
        ("milk poem", &[]),
    ] {
        let mut found = words(&vault, text);
        if text.eq_ignore_ascii_case("milk") {
            assert_eq!(found[0], "milk", "a word of the title counts more");
        }
        found.sort();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn hostile_words_are_words() {
    let house = House::new();
    let vault = furnished(&house);
    let long = "a".repeat(1024);
    for text in [
        "milk AND",
        "NOT milk",
        "milk OR poem",
        "NEAR(two eggs, 5)",
        "title:milk",
        "{title body}:milk",
        "^milk",
        "milk + eggs",
        "\"milk",
        "mi\"lk",
        "milk\0poem",
        "'; DROP TABLE words; --",
        "*milk",
        "mil**",
        "(milk",
        "milk)",
        "\u{2}milk\u{3}",
        "-milk",
        "a\"b\"c*\"d",
        "\u{301}a",
        "ⅷ",
        "\u{200B}x",
        "¾",
        &long,
        "٣ ๓ 𝟛",
        "a b c d e f g h i j k l m n o p q r s t u v w x y z 1 2 3 4 5 6",
    ] {
        let found = vault.query(&Query::of("note").matching(text));
        assert!(found.is_ok(), "{text:?}: {found:?}");
    }
    assert_eq!(words(&vault, "title:milk"), [""; 0], "no operator: the words `title` and `milk`");
    for (text, code) in [("", "no_words"), ("\"*\"", "no_words"), (&*"a".repeat(1025), "query_too_large")] {
        assert_eq!(vault.query(&Query::of("note").matching(text)).unwrap_err().code(), code);
    }
    let too_many = "a ".repeat(33);
    assert_eq!(vault.query(&Query::of("note").matching(too_many)).unwrap_err().code(), "query_too_large");
}

#[test]
fn a_snippet_shows_the_words_where_they_are() {
    let house = House::new();
    let vault = furnished(&house);
    note(&vault, "long", &format!("{} needle {}", "hay ".repeat(200), "stack ".repeat(200)));
    for (text, expected) in [("needle", "needle"), ("東京", "東京"), ("egg*", "eggs")] {
        let page = vault.query(&Query::of("note").matching(text)).unwrap();
        let snippet = page.found[0].snippet.as_ref().unwrap();
        assert!(snippet.text.len() < 400, "{snippet:?}");
        assert_eq!(snippet.hits.first().map(|hit| &snippet.text[hit.clone()]), Some(expected), "{snippet:?}");
    }
    let all = vault.query(&Query::of("note")).unwrap();
    assert!(all.found.iter().all(|found| found.snippet.is_none()));
}

#[test]
fn words_go_with_filters_orders_and_pages() {
    let house = House::new();
    let vault = open(&house, "a");
    for number in 0..30 {
        let text = if number % 2 == 0 { "even steven" } else { "odd" };
        let task = add(&vault, &format!("t{number:02}"), &serde_json::json!({ "points": number }));
        task.edit(|draft| draft.replace_text("/text", text)).unwrap();
    }
    let query = Query::of(TASK).matching("even").where_("/points", editor_vault::Compare::Below(9.into()));
    let down = query.clone().sort("/points", Direction::Descending);
    assert_eq!(ask(&vault, &down), ["t08", "t06", "t04", "t02", "t00"]);
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = vault.query(&after.iter().cloned().fold(query.clone().limit(2), Query::after)).unwrap();
        seen.extend(titles(&page.found).into_iter().map(str::to_owned));
        let Some(next) = page.next else { break };
        after = Some(next.to_string().parse().unwrap());
    }
    seen.sort();
    assert_eq!(seen, ["t00", "t02", "t04", "t06", "t08"], "equal ranks come one after the other too");
}

#[test]
fn words_follow_their_documents() {
    let house = House::new();
    let vault = furnished(&house);
    assert_eq!(words(&vault, "roads"), ["poem"]);
    let poem = vault.find("poem").unwrap();
    poem.edit(|draft| draft.replace_text("/body", "one road")).unwrap();
    assert_eq!((words(&vault, "roads"), words(&vault, "road")), (vec![], vec!["poem".to_owned()]));
    poem.edit(|draft| draft.put("/name", "verse".into())).unwrap();
    assert_eq!(words(&vault, "verse road"), ["verse"]);
    vault.delete(&poem).unwrap();
    assert_eq!(words(&vault, "road"), [""; 0]);
    vault.restore(&poem).unwrap();
    assert_eq!(words(&vault, "road"), ["verse"]);
    assert_eq!(vault.verify().unwrap(), []);
}

#[test]
fn damage_to_the_words_is_found_told_apart_and_healed() {
    let house = House::new();
    let vault = furnished(&house);
    assert_eq!(words(&vault, "roads"), ["poem"]);
    let file = vault.file().to_path_buf();
    drop(vault);
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute("UPDATE words_content SET c1 = 'other' WHERE c0 = 'poem'", []).unwrap();
    drop(connection);
    let vault = house.open("a");
    let codes: Vec<&str> = vault.verify().unwrap().iter().map(|finding| finding.code).collect();
    assert!(codes.contains(&"index_wrong") && !codes.contains(&"corrupt"), "{codes:?}");
    vault.rebuild().unwrap();
    assert_eq!(words(&vault, "roads"), ["poem"]);
    assert_eq!(vault.verify().unwrap(), []);
}

#[test]
fn an_edit_that_changes_no_text_leaves_the_words_alone() {
    let house = House::new();
    let vault = open(&house, "a");
    let task = add(&vault, "t", &serde_json::json!({}));
    task.edit(|draft| draft.replace_text("/text", "words")).unwrap();
    vault.query(&Query::of(TASK)).unwrap();
    let blocks = |vault: &Vault| count(vault.file(), "SELECT sum(length(block)) FROM words_data");
    let before = blocks(&vault);
    task.edit(|draft| draft.put("/points", 3.into())).unwrap();
    vault.query(&Query::of(TASK)).unwrap();
    assert_eq!(blocks(&vault), before);
    task.edit(|draft| draft.replace_text("/text", "other")).unwrap();
    vault.query(&Query::of(TASK)).unwrap();
    assert_ne!(blocks(&vault), before);
}

#[test]
fn words_behind_the_first_mib_are_not_found() {
    let house = House::new();
    let vault = house.open("a");
    let filler = "hay ".repeat((1 << 18) - 2);
    note(&vault, "n", &format!("{filler}needle last"));
    assert_eq!((words(&vault, "needle"), words(&vault, "last")), (vec!["n".to_owned()], vec![]));
    assert_eq!(vault.verify().unwrap(), []);
}
