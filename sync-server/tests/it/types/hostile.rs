//! Files that somebody made to hurt, through the HTTP door: each is refused with a code, soon, and the relay goes on.

use std::time::{Duration, Instant};

use super::{Publisher, TASK, plain};
use crate::http::request;

/// Far more than any of them needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn hostile_files_are_refused_in_bounded_time_while_others_are_answered() {
    let publisher = Publisher::new().await;
    let name = "ext.acme.bad";
    let doubling = |n: usize| {
        let steps: Vec<String> = (0..n)
            .map(|step| {
                let next = format!(r##"{{ "$ref": "#/$defs/d{}" }}"##, step + 1);
                format!(r#""d{step}": {{ "properties": {{ "a": {next}, "b": {next} }} }}"#)
            })
            .collect();
        let defs = format!(r##""$defs": {{ {}, "d{n}": {{}} }}, "$ref": "#/$defs/d0""##, steps.join(","));
        format!(r#"{{ "x-type": "{name}", "x-version": 1, "type": "object", {defs} }}"#)
    };
    let nested = |levels: usize| format!("{}{}", r#"{"not":"#.repeat(levels), "{}".to_owned() + &"}".repeat(levels));
    let many = |count: usize, field: &str| {
        let fields: Vec<String> = (0..count).map(|n| format!("\"f{n}\": {field}")).collect();
        plain(name, 1, &fields.join(","))
    };
    let cases = [
        ("bytes beyond any file", "x".repeat(1 << 20), "body_too_large", None),
        ("bytes beyond a file", format!("{}{}", plain(name, 1, ""), " ".repeat(140_000)), "body_too_large", None),
        ("brackets", "[".repeat(100_000), "type_invalid", Some("not_json")),
        ("deep schemas", plain(name, 1, &format!("\"a\": {}", nested(40))), "type_invalid", Some("too_deep")),
        ("deep text", plain(name, 1, &format!("\"a\": {}", nested(9_000))), "type_invalid", Some("not_json")),
        ("references that double", doubling(14), "type_invalid", Some("too_wide")),
        ("a reference to itself", plain(name, 1, r##""a": { "$ref": "#" }"##), "type_invalid", Some("recursive")),
        (
            "a reference elsewhere",
            plain(name, 1, r#""a": { "$ref": "http://127.0.0.1:1/" }"#),
            "type_invalid",
            Some("ref_outside"),
        ),
        (
            "a pattern that explodes",
            plain(name, 1, r#""a": { "pattern": "((\\w{100}){100}){100}" }"#),
            "type_invalid",
            Some("pattern"),
        ),
        (
            "a pattern that looks around",
            plain(name, 1, r#""a": { "pattern": "(a+)+(?=b)" }"#),
            "type_invalid",
            Some("pattern"),
        ),
        ("many patterns", many(65, r#"{ "pattern": "^[a-z]{1,9}$" }"#), "type_invalid", Some("patterns")),
        ("large patterns", many(60, r#"{ "pattern": "^\\w{5000}a$" }"#), "type_invalid", Some("patterns")),
        ("fields that are none", many(9_000, "7"), "type_invalid", Some("meta_schema")),
        ("misspelt fields", many(4_000, r#"{ "x-megre": 1 }"#), "type_invalid", Some("unknown_keyword")),
        (
            "a key without measure",
            plain(name, 1, &format!("\"{}\": {{ \"x-no\": 1 }}", "k".repeat(100_000))),
            "type_invalid",
            Some("key"),
        ),
        ("odd characters", plain("ext.acme.b\\u0000d", 1, ""), "type_invalid", Some("meta_schema")),
    ];
    for (what, text, code, finding) in cases {
        let began = Instant::now();
        let answer = publisher.publish(name, 1, &text).await;
        let took = began.elapsed();
        assert_eq!(answer.code(), code, "{what}: {:.300}", answer.body);
        assert!(took < PATIENCE, "{what} took {took:?}");
        let violations = answer.json()["violations"].as_array().cloned().unwrap_or_default();
        assert!(violations.len() <= 100 && answer.body.len() < 300_000, "{what}: {} bytes", answer.body.len());
        let has = |code: &str| violations.iter().any(|one| one["code"] == code);
        assert!(finding.is_none_or(has), "{what}: {:.500}", answer.body);
        println!("{what}: {} bytes, {took:?}", text.len());
    }
    assert_eq!(publisher.get(&format!("/api/v1/types/{name}")).await.code(), "type_not_found");
    assert_eq!(publisher.publish("ext.acme.task", 1, TASK).await.status, 201, "and it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_fields_are_taken_and_delay_nobody() {
    let publisher = Publisher::new().await;
    let fields: Vec<String> = (0..3_000).map(|n| format!(r#""field-{n}": {{ "type": "string" }}"#)).collect();
    let text = plain("ext.acme.wide", 1, &fields.join(","));
    let (address, began) = (publisher.relay.address, Instant::now());
    let publishing = publisher.publish("ext.acme.wide", 1, &text);
    let asking = async {
        for _ in 0..20 {
            let asked = Instant::now();
            assert_eq!(request(address, "GET", "/healthz", &[]).await.status, 200);
            assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
        }
    };
    let (published, ()) = tokio::join!(publishing, asking);
    assert_eq!(published.status, 201, "{:.300}", published.body);
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_files_is_slowed_down_like_any_other() {
    let relay = crate::relay::Relay::start_with(|config| {
        config.limits.operations_per_second = 100;
        config.limits.operations_burst = 1_000;
    });
    let publisher = Publisher::on(relay.await).await;
    let bad = plain("ext.acme.bad", 1, &format!("\"a\": {{ \"x-{}\": 1 }}", "n".repeat(2_000)));
    assert_eq!(publisher.publish("ext.acme.bad", 1, &bad).await.code(), "type_invalid");
    let next = publisher.publish("ext.acme.bad", 1, &bad).await;
    assert_eq!(next.code(), "rate_limited");
    assert!(next.headers["retry-after"].parse::<u64>().unwrap() >= 1, "{next:?}");
}
