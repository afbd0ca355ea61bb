//! What every answer has: a request id, honest cache headers, compression where it pays, HEAD where there is GET.

use std::io::Read as _;

use crate::author::Author;
use crate::device::Device;
use crate::http::{Answer, request};
use crate::relay::{Account, Relay};

async fn ask(relay: &Relay, account: &Account, method: &str, path: &str, more: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {}", account.token);
    let headers = [&[("authorization", bearer.as_str())], more].concat();
    request(relay.address, method, path, &headers).await
}

/// A relay with one note whose body is long enough to be worth compressing.
async fn with_long_note() -> (Relay, Account, String) {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "the same words again and again ".repeat(200));
    let at = laptop.push_all(alice.personal, note.id, &batches).await;
    let url = format!("/api/v1/spaces/{}/documents/{}", alice.personal, note.id);
    assert_eq!(ask(&relay, &alice, "GET", &format!("{url}?after={at}"), &[]).await.status, 200);
    (relay, alice, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_request_id_is_kept_and_another_is_replaced() {
    let relay = Relay::start().await;
    let id_of = |answer: &Answer| answer.headers["x-request-id"].clone();
    let named = request(relay.address, "GET", "/healthz", &[("x-request-id", "from-the-proxy.1")]).await;
    assert_eq!(id_of(&named), "from-the-proxy.1");
    let unsound = request(relay.address, "GET", "/healthz", &[("x-request-id", "a b\"c")]).await;
    let (one, two) = (id_of(&unsound), id_of(&request(relay.address, "GET", "/healthz", &[]).await));
    assert_eq!((one.len(), two.len()), (32, 32));
    assert_ne!(one, two);
    // A problem names it, so that a person can quote it.
    for path in ["/api/nothing", "/api/v1/documents"] {
        let problem = request(relay.address, "GET", path, &[("x-request-id", "quote-me")]).await;
        assert_eq!(problem.json()["request_id"], "quote-me", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_json_is_compressed_for_whoever_asks() {
    let (relay, alice, url) = with_long_note().await;
    let plain = ask(&relay, &alice, "GET", &url, &[]).await;
    assert_eq!(plain.headers.get("content-encoding"), None);
    let gzip = ask(&relay, &alice, "GET", &url, &[("accept-encoding", "gzip")]).await;
    assert_eq!(gzip.headers["content-encoding"], "gzip");
    assert!(gzip.bytes.len() * 4 < plain.bytes.len());
    let mut text = String::new();
    flate2::read::GzDecoder::new(&gzip.bytes[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain.body);
    for encoding in ["br", "zstd", "gzip"] {
        let asked = [("accept-encoding", encoding)];
        let (one, two) =
            (ask(&relay, &alice, "GET", &url, &asked).await, ask(&relay, &alice, "GET", &url, &asked).await);
        assert_eq!((one.headers["content-encoding"].as_str(), &one.bytes), (encoding, &two.bytes));
        let head = ask(&relay, &alice, "HEAD", &url, &asked).await;
        assert_eq!(head.headers.get("content-length"), one.headers.get("content-length"), "{encoding}");
    }
    let (id, unwanted) = (&plain.json()["id"], "gzip;q=0, br;q=0, *;q=0");
    assert_eq!(ask(&relay, &alice, "GET", &url, &[("accept-encoding", unwanted)]).await.json()["id"], *id);
    let (list, asked) = ("/api/v1/openapi.json", [("accept-encoding", "deflate, gzip")]);
    let (plain, gzip) = (ask(&relay, &alice, "GET", list, &[]).await, ask(&relay, &alice, "GET", list, &asked).await);
    assert_eq!((gzip.headers["content-encoding"].as_str(), gzip.headers["vary"].as_str()), ("gzip", "accept-encoding"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&gzip.bytes[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain.body);
    let short = ask(&relay, &alice, "GET", "/api/v1/documents?limit=1&type=none", &[("accept-encoding", "gzip")]).await;
    assert_eq!(short.headers.get("content-encoding"), None, "not worth it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_strong_for_plain_bytes_only_and_both_are_known_again() {
    let (relay, alice, url) = with_long_note().await;
    let plain = ask(&relay, &alice, "GET", &url, &[]).await;
    let gzip = ask(&relay, &alice, "GET", &url, &[("accept-encoding", "gzip")]).await;
    let (strong, weak) = (&plain.headers["etag"], &gzip.headers["etag"]);
    assert_eq!(weak, &format!("W/{strong}"));
    for answer in [&plain, &gzip] {
        assert_eq!(answer.headers["cache-control"], "private, no-cache");
        let vary = answer.headers["vary"].to_lowercase();
        assert!(vary.contains("authorization") && vary.contains("accept-encoding"), "{vary}");
    }
    for tag in [strong, weak] {
        let known = [("if-none-match", tag.as_str()), ("accept-encoding", "gzip")];
        let answer = ask(&relay, &alice, "GET", &url, &known).await;
        assert_eq!((answer.status, answer.bytes.len()), (304, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_says_what_get_would_without_the_body() {
    let (relay, alice, url) = with_long_note().await;
    for path in [url.as_str(), "/api/v1/documents", "/healthz", "/api/nothing"] {
        let (get, head) = (ask(&relay, &alice, "GET", path, &[]).await, ask(&relay, &alice, "HEAD", path, &[]).await);
        assert_eq!((head.status, head.bytes.len()), (get.status, 0), "{path}");
        for name in ["content-type", "etag", "cache-control"] {
            assert_eq!(head.headers.get(name), get.headers.get(name), "{path} {name}");
        }
    }
    assert_eq!(ask(&relay, &alice, "PUT", "/api/v1/documents", &[]).await.headers["allow"], "GET, HEAD");
}
