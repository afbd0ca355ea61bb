//! `repair`, as far as no relay is needed; with one, it is told end to end.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::run::Desk;

fn logged_in(url: &str) -> Desk {
    let desk = Desk::new();
    desk.ok(&["set", "settings", "a", "1"]);
    desk.ok(&["login", "--relay", url, "--token", "t"]);
    desk
}

#[test]
fn a_repair_without_a_relay_says_that_it_needs_one() {
    Desk::new().fails(&["repair", "settings"], 4, "not_logged_in", &["log in"]);
    let desk = logged_in("http://127.0.0.1:9");
    desk.fails(&["repair", "settings"], 3, "offline", &["needs the relay", "try again"]);
    desk.fails(&["repair", "settings", "--dry-run"], 3, "offline", &["needs the relay"]);
    desk.fails(&["repair", "nothing of this name"], 1, "not_found", &["nothing of this name"]);
    let run = desk.run(&["repair", "settings", "--hash", "x"]);
    assert_eq!(run.code, 2, "{run:?}");
}

/// A relay that answers one request with this, and gives what was asked.
fn answering(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/below", listener.local_addr().expect("an address"));
    let asked = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a client");
        let mut asked = Vec::new();
        let mut byte = [0];
        while !asked.ends_with(b"\r\n\r\n") && socket.read(&mut byte).expect("a request") > 0 {
            asked.push(byte[0]);
        }
        socket.write_all(answer.as_bytes()).expect("the client listens");
        String::from_utf8(asked).expect("text")
    });
    (url, asked)
}

#[test]
fn what_the_relay_answers_is_shown() {
    let done = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"state\":\"held\",\"held\":\"it fails\",\
                \"position\":null,\"excluded\":[{\"hash\":\"aa\",\"position\":\"e:1\",\"device\":\"d\",\"reason\":\"bad\"}],\
                \"dependents\":[{\"hash\":\"bb\",\"position\":\"e:2\",\"device\":\"d\",\"replaced_by\":\"cc\",\"lost\":0}]}";
    let (url, asked) = answering(done);
    let shown = logged_in(&url).ok(&["repair", "settings", "--dry-run"]);
    assert!(
        shown.contains("excluded      aa") && shown.contains("bb as cc") && shown.contains("nothing was done"),
        "{shown}"
    );
    let asked = asked.join().expect("it was asked");
    assert!(asked.starts_with("POST /below/api/v1/spaces/") && asked.contains("/repair?dry_run=true"), "{asked}");
    assert!(asked.contains("authorization: Bearer t\r\n"), "{asked}");
    let refused = "HTTP/1.1 403 Forbidden\r\n\r\n{\"code\":\"owner_required\",\"detail\":\"only an owner\"}";
    let (url, asked) = answering(refused);
    logged_in(&url).fails(&["repair", "settings"], 1, "owner_required", &["only an owner"]);
    assert!(asked.join().expect("it was asked").contains("/repair?dry_run=false"));
}
