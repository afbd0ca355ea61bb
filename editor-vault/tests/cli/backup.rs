//! `backup` and `doctor`.

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
