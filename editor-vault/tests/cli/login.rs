//! `login`, `logout`, and `sync` as far as no relay is needed.

use std::net::TcpListener;

use crate::run::Desk;

#[test]
fn the_token_comes_from_a_file_standard_input_or_the_command_line() {
    let desk = Desk::new();
    let file = desk.write("token", "secret-of-file\n");
    let relay = "https://relay.example.com";
    for (input, more) in
        [("", &["--token-file", &file][..]), ("secret-of-stdin\n", &[]), ("", &["--token", "secret-of-arguments"])]
    {
        let run = desk.fed(input, &[&["login", "--relay", relay], more].concat());
        assert_eq!(run.code, 0, "{run:?}");
        assert!(!run.stdout.contains("secret") && !run.stderr.contains("secret"), "{run:?}");
        assert_eq!(desk.json(&["status"])["relay"], relay);
        assert_eq!(desk.json(&["logout"])["was_logged_in"], true);
        assert_eq!(desk.json(&["status"])["relay"], serde_json::Value::Null);
    }
    assert!(desk.ok(&["logout"]).contains("no login"));
}

#[test]
fn a_wrong_url_or_token_is_refused() {
    let desk = Desk::new();
    for url in ["", "relay.example.com", "ftp://relay.example.com", "https://"] {
        desk.fails(&["login", "--relay", url, "--token", "t"], 2, "relay_url", &["https://"]);
    }
    let relay = "https://relay.example.com";
    desk.fails(&["login", "--relay", relay, "--token", "two words"], 2, "token", &["token"]);
    desk.fails(&["login", "--relay", relay, "--token", ""], 2, "token", &["--token-file"]);
    desk.fails(&["login", "--relay", relay], 2, "token", &["standard input"]);
    desk.fails(&["login", "--relay", relay, "--token-file", "absent"], 1, "no_such_file", &["absent"]);
}

#[test]
fn sync_without_a_login_needs_a_person() {
    Desk::new().fails(&["sync"], 4, "not_logged_in", &["log in"]);
}

#[test]
fn sync_with_a_relay_that_is_not_there_is_offline_and_loses_nothing() {
    let desk = Desk::new();
    desk.ok(&["set", "settings", "a", "1"]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    desk.ok(&["login", "--relay", &url, "--token", "t"]);
    desk.fails(&["sync"], 3, "offline", &["nothing is lost"]);
    assert_eq!(desk.ok(&["get", "settings", "a"]), "1\n");
}

#[test]
fn sync_leaves_it_to_another_process_that_syncs_the_vault() {
    let desk = Desk::new();
    desk.ok(&["login", "--relay", "http://127.0.0.1:9", "--token", "t"]);
    let lock = std::fs::File::create(desk.vault().join("sync.lock")).expect("the lock file can be made");
    lock.try_lock().expect("nobody else has it");
    assert_eq!(desk.json(&["sync"])["by_another_process"], true);
    desk.ok(&["set", "settings", "a", "1"]);
    desk.fails(&["sync", "--timeout", "0"], 3, "offline", &["another process", "nothing is lost"]);
}

#[cfg(unix)]
#[test]
fn the_stored_token_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let desk = Desk::new();
    desk.ok(&["login", "--relay", "https://relay.example.com", "--token", "the-token"]);
    for entry in std::fs::read_dir(desk.vault()).expect("the vault can be listed") {
        let path = entry.expect("the vault can be listed").path();
        let mode = path.metadata().expect("the file is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
}
