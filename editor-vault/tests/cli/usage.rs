//! Help, version, completions, and what is said to wrong use.

use std::process::Stdio;

use crate::run::{Desk, Run};

#[test]
fn the_version_names_wire_and_file_versions() {
    let desk = Desk::new();
    let text = desk.ok(&["--version"]);
    let header = desk.vault_bytes();
    // `user_version` of the SQLite header: major * 1000 + minor.
    let user_version = u32::from_be_bytes(header[60..64].try_into().expect("four bytes"));
    let expected = format!("wire {}, file {}", sync_wire::limits::WIRE_VERSION, user_version / 1000);
    assert!(text.contains(&expected), "{text} lacks {expected}");
}

#[test]
fn help_lists_the_commands_and_exit_codes() {
    let text = Desk::bare().ok(&["--help"]);
    for part in ["import", "unset", "completions", "--vault", "VAULT_DIR", "3  offline", "4  needs a person"] {
        assert!(text.contains(part), "{text} lacks {part}");
    }
}

#[test]
fn completions_need_no_vault() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(Desk::bare().ok(&["completions", shell]).contains("export"), "{shell}");
    }
}

#[test]
fn wrong_use_ends_with_2() {
    let desk = Desk::new();
    for arguments in [
        &["fly"][..],
        &["get"],
        &["get", "profile", "x"],
        &["set", "settings", "x"],
        &["set", "settings", "x", "1", "--layer", "users/ada"],
        &["import", "settings"],
        &["login"],
        &["login", "--relay", "https://x", "--token", "a", "--token-file", "b"],
        &["sync", "--timeout", "soon"],
        &["completions", "cmd"],
    ] {
        let run = desk.run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {run:?}");
        assert!(run.stderr.contains("error"), "{run:?}");
        assert!(run.stdout.is_empty(), "{run:?}");
    }
    let keymap = desk.write("keys.json", "[]");
    desk.fails(&["import", "keymap", &keymap, "--layer", "base"], 2, "no_layers", &["base", "leave it out"]);
    desk.fails(&["export", "keymap", "--layer", "machines/a"], 2, "no_layers", &["machines/a"]);
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let desk = Desk::new();
    let long = format!("\"{}\"", "x".repeat(200 << 10));
    let file = desk.write("long.json", format!("{{\"a\": {long}, \"b\": {long}}}"));
    desk.ok(&["import", "settings", &file]);
    let mut command = desk.command();
    command.arg("--vault").arg(desk.vault()).args(["export", "settings"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    drop(child.stdout.take());
    let run = Run::from(child.wait_with_output().expect("the binary ends"));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
}
