//! `backup`, `doctor`, `verify` and `explain`.

use serde_json::json;

use crate::run::{Desk, Run};

#[test]
fn a_backup_is_a_vault() {
    let desk = Desk::new();
    desk.ok(&["set", "settings", "a", "1"]);
    let directory = desk.path("copy of it");
    std::fs::create_dir(&directory).expect("the directory can be made");
    let file = directory.join("vault.sqlite").display().to_string();
    assert!(desk.json(&["backup", &file])["bytes"].as_u64().is_some_and(|bytes| bytes > 0));
    let run = Run::of(desk.command().arg("--vault").arg(&directory).args(["get", "settings", "a"]));
    assert_eq!((run.code, run.stdout.as_str()), (0, "1\n"), "{run:?}");
    desk.fails(&["backup", &file], 1, "file_exists", &["copy of it"]);
}

#[test]
fn a_backup_that_cannot_be_written_is_named() {
    let desk = Desk::new();
    let run = desk.run(&["backup", "no/such/dir/copy"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.starts_with("error[") && run.stderr.contains("no/such/dir/copy"), "{run:?}");
}

#[test]
fn the_doctor_finds_nothing_in_a_healthy_vault() {
    let desk = Desk::new();
    desk.ok(&["new", "note", "n"]);
    assert_eq!(desk.json(&["doctor"]), json!({ "findings": [] }));
    assert!(desk.ok(&["doctor"]).contains("nothing is wrong"));
}

#[test]
fn a_healthy_vault_verifies_and_can_be_rebuilt() {
    let desk = Desk::new();
    desk.ok(&["new", "note", "n"]);
    assert_eq!(desk.json(&["verify"]), json!({ "findings": [] }));
    assert_eq!(desk.json(&["verify", "--rebuild"])["rebuilt"]["documents"], 1);
    assert!(desk.ok(&["verify"]).contains("nothing is wrong"));
    assert!(desk.ok(&["list"]).contains('n'));
}

#[test]
fn a_damaged_change_fails_verify_and_names_the_remedy() {
    let desk = Desk::new();
    desk.ok(&["new", "note", "n"]);
    let file = desk.json(&["status"])["vault"].as_str().map(|vault| format!("{vault}/vault.sqlite")).unwrap();
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.execute("UPDATE changes SET bytes = zeroblob(length(bytes))", []).unwrap();
    drop(connection);
    let run = desk.run(&["verify"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.contains("error[damaged_change]") && run.stdout.contains("restore a backup"), "{run:?}");
}

#[test]
fn explain_says_where_a_document_stands_also_a_deleted_one() {
    let desk = Desk::new();
    desk.ok(&["new", "note", "n"]);
    assert!(desk.ok(&["explain", "n"]).contains("log in with `vault login`"));
    let explained = desk.json(&["explain", "n"]);
    assert_eq!((&explained["state"], &explained["lane"]["state"]), (&json!("saved"), &json!("local")));
    desk.ok(&["delete", "n"]);
    assert!(desk.ok(&["explain", "n"]).contains("It is deleted"));
    desk.fails(&["explain", "nothing"], 1, "not_found", &["nothing"]);
}
