//! Where the vault is, and places where it cannot be.

use std::fs;

use crate::run::{Desk, Run};

#[test]
fn init_makes_a_vault_once() {
    let desk = Desk::bare();
    let first = desk.json(&["init"]);
    assert_eq!(first["created"], true);
    let again = desk.json(&["init"]);
    assert_eq!(again["created"], false);
    assert_eq!(first["device"], again["device"]);
    assert!(desk.ok(&["init"]).contains("already"));
}

#[test]
fn only_init_makes_a_vault() {
    let desk = Desk::bare();
    for arguments in [&["status"][..], &["get", "settings", "x"], &["new", "note", "x"], &["sync"], &["doctor"]] {
        desk.fails(arguments, 1, "no_vault", &["my vault", "init"]);
    }
    assert!(!desk.vault().exists());
}

#[test]
fn the_vault_comes_from_option_variable_or_platform() {
    let desk = Desk::bare();
    let other = desk.path("from variable");
    let run = Run::of(desk.command().env("VAULT_DIR", &other).arg("init"));
    assert_eq!(run.code, 0, "{run:?}");
    assert!(other.join("vault.sqlite").is_file());
    let run = Run::of(desk.command().env("VAULT_DIR", &other).arg("--vault").arg(desk.vault()).arg("init"));
    assert!(run.code == 0 && desk.vault().join("vault.sqlite").is_file(), "{run:?}");
    let run = Run::of(desk.command().env("XDG_DATA_HOME", desk.path("data")).arg("init"));
    assert_eq!(run.code, 0, "{run:?}");
    if cfg!(target_os = "linux") {
        assert!(desk.path("data/symphony-vault/vault.sqlite").is_file());
    }
}

#[cfg(unix)]
#[test]
fn without_a_home_the_vault_must_be_named() {
    let desk = Desk::bare();
    Run::of(desk.command().env_remove("HOME").arg("init")).failed(1, "no_home", &["HOME", "--vault", "VAULT_DIR"]);
    Run::of(desk.command().env("HOME", "").arg("status")).failed(1, "no_home", &["HOME"]);
    let run = Run::of(desk.command().env_remove("HOME").arg("--vault").arg(desk.vault()).arg("init"));
    assert_eq!(run.code, 0, "a named vault needs no home: {run:?}");
    let run = Run::of(desk.command().env("VAULT_DIR", "").arg("init"));
    assert_eq!(run.code, 2, "{run:?}");
}

#[test]
fn a_file_is_no_place_for_a_vault() {
    let desk = Desk::bare();
    fs::write(desk.vault(), "a file").expect("the file can be written");
    desk.fails(&["init"], 1, "not_a_directory", &["my vault", "directory"]);
    desk.fails(&["status"], 1, "not_a_directory", &["my vault"]);
    assert_eq!(fs::read(desk.vault()).expect("still there"), b"a file");
}

#[cfg(target_os = "linux")]
#[test]
fn a_place_that_cannot_be_written_is_named() {
    let desk = Desk::bare();
    let run = Run::of(desk.command().args(["--vault", "/proc/vault", "init"]));
    run.failed(1, "create_directory", &["/proc/vault"]);
    let under_a_file = format!("{}/vault", desk.write("file", ""));
    Run::of(desk.command().args(["--vault", &under_a_file, "init"])).failed(1, "create_directory", &["file/vault"]);
}

#[test]
fn a_damaged_vault_is_left_as_it_is() {
    let desk = Desk::new();
    let garbage = b"this is no database at all, but it is what the user has ".repeat(100);
    for content in [&garbage[..], b"short", &desk.vault_bytes()[..50]] {
        let damaged = Desk::bare();
        fs::create_dir(damaged.vault()).expect("the directory can be made");
        fs::write(damaged.vault().join("vault.sqlite"), content).expect("the file can be written");
        let run = damaged.run(&["status"]);
        run.failed(1, "corrupt", &["vault.sqlite", "backup"]);
        assert_eq!(damaged.vault_bytes(), content);
    }
}

#[test]
fn a_vault_of_a_newer_release_is_left_as_it_is() {
    let desk = Desk::new();
    let mut content = desk.vault_bytes();
    content[60..64].copy_from_slice(&99_000_u32.to_be_bytes());
    fs::write(desk.vault().join("vault.sqlite"), &content).expect("the file can be written");
    desk.fails(&["status"], 1, "too_new", &["99", "newer release"]);
    assert_eq!(desk.vault_bytes(), content);
}
