//! JSON goes in and comes out; a leaf and an object never share a path.

use document::{Document, Intent, limits};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::forge::actor;

fn document(value: Value) -> Document {
    let mut document = Document::new(Some("settings"));
    document.edit(actor(1), |draft| draft.put("", value)).unwrap();
    document
}

#[test]
fn nested_json_comes_back_as_it_went_in() {
    let value = json!({
        "editor.tabSize": 4, "[rust]": {"editor.rulers": [80, 100], "deep": {"er": {"x": null, "y": true}}},
        "a/b~c": "é", "float": 1.5, "whole float": 1.0, "big": u64::MAX, "small": i64::MIN, "empty": {}, "list": [],
        "objects in lists": [{"b": 1, "a": {}}], "text": "text", "counter": "counter", "e": {"": {"": 0}, "x": 1}
    });
    let document = document(value.clone());
    assert_eq!(document.value(), value);
    assert_eq!(document.get(""), Some(value));
    assert_eq!(document.get("/editor.tabSize"), Some(json!(4)));
    assert_eq!(document.get("/a~1b~0c"), Some(json!("é")));
    assert_eq!(document.get("/[rust]/deep"), Some(json!({"er": {"x": null, "y": true}})));
    assert_eq!(document.get("/empty"), Some(json!({})));
    assert_eq!(document.type_name().as_deref(), Some("settings"));
    for nothing in ["/x", "/", "editor.tabSize", "/list/0", "/editor", "/float/x", "/\0text"] {
        assert_eq!(document.get(nothing), None, "{nothing:?}");
    }
}

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e300..1e300_f64).prop_map(Value::from),
        "[a-z/~é]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[a-c/~.-]{0,2}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn arbitrary_object() -> impl Strategy<Value = Value> {
    // The key "" at the top would be the path `/`, which is the document type.
    proptest::collection::btree_map("[a-c/~.-]{1,2}", arbitrary_json(), 0..6)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_json_replaces_any_json_exactly(first in arbitrary_object(), second in arbitrary_object()) {
        let mut document = document(first.clone());
        prop_assert_eq!(document.value(), first);
        document.seal(0).unwrap();
        document.edit(actor(1), |draft| draft.put("", second.clone())).unwrap();
        prop_assert_eq!(document.value(), second.clone());
        for (key, value) in second.as_object().unwrap() {
            let path = format!("/{}", key.replace('~', "~0").replace('/', "~1"));
            prop_assert_eq!(document.get(&path), Some(value.clone()));
        }
        document.seal(0).unwrap();
        prop_assert_eq!(document.value(), second.clone());
        document.edit(actor(1), |draft| draft.put("", second)).unwrap();
        prop_assert_eq!(document.seal(0).unwrap(), None, "putting what is there says nothing");
    }
}

#[test]
fn a_scalar_gives_way_to_an_object_and_back() {
    let mut document = document(json!({"q": true, "q-like": 1}));
    document.edit(actor(1), |draft| draft.put("/q/comments", json!("off"))).unwrap();
    assert_eq!(document.value(), json!({"q": {"comments": "off"}, "q-like": 1}));
    document.edit(actor(1), |draft| draft.put("/q", json!(false))).unwrap();
    assert_eq!(document.value(), json!({"q": false, "q-like": 1}));
    document.edit(actor(1), |draft| draft.put("/q", json!({}))).unwrap();
    document.edit(actor(1), |draft| draft.put("/q/a/b", json!(1))).unwrap();
    assert_eq!(document.value(), json!({"q": {"a": {"b": 1}}, "q-like": 1}));
    document.edit(actor(1), |draft| draft.remove("/q")).unwrap();
    assert_eq!(document.value(), json!({"q-like": 1}));
}

#[test]
fn a_register_may_hold_an_object_as_one_value() {
    let mut document = document(json!({}));
    document.edit(actor(1), |draft| draft.put_register("/key", json!({"b": 1, "a": [2]}))).unwrap();
    assert_eq!(document.get("/key"), Some(json!({"a": [2], "b": 1})));
    assert_eq!(document.get("/key/a"), None, "a register has no parts");
    document.edit(actor(1), |draft| draft.put("/key/a", json!(3))).unwrap();
    assert_eq!(document.get("/key"), Some(json!({"a": 3})), "writing below replaces it");
}

#[test]
fn a_string_goes_into_the_text_and_an_integer_into_the_counter_that_is_there() {
    let mut document = document(json!({}));
    document
        .edit(actor(1), |draft| {
            draft.replace_text("/body", "hello")?;
            draft.increment("/n", 3)
        })
        .unwrap();
    document.edit(actor(1), |draft| draft.put("", json!({"body": "hello world", "n": 10}))).unwrap();
    assert_eq!(document.text("/body").as_deref(), Some("hello world"), "it is still a text");
    document.edit(actor(1), |draft| draft.increment("/n", 1)).unwrap();
    assert_eq!(document.value(), json!({"body": "hello world", "n": 11}));
    document.edit(actor(1), |draft| draft.put("/body", json!(5))).unwrap();
    assert_eq!((document.text("/body"), document.get("/body")), (None, Some(json!(5))));
}

#[test]
fn a_removed_text_or_counter_begins_anew() {
    let mut document = document(json!({}));
    let edit = |document: &mut Document, intents: Vec<Intent>| {
        document.edit(actor(1), |draft| intents.into_iter().try_for_each(|intent| draft.apply(intent))).unwrap();
        document.seal(0).unwrap();
    };
    let text = |text: &str| Intent::Splice { path: "/t".into(), at: 0, delete: 0, insert: text.into() };
    let step = |by| Intent::Increment { path: "/n".into(), by };
    edit(&mut document, vec![text("old"), step(5)]);
    edit(&mut document, vec![Intent::Remove { path: "".into() }]);
    assert_eq!(document.value(), json!({}));
    edit(&mut document, vec![text("new"), step(2)]);
    assert_eq!(document.value(), json!({"t": "new", "n": 2}));
}

#[track_caller]
fn check_refused(intent: Intent, code: &str, text: &str) {
    let mut document = document(json!({"s": "plain", "o": {"x": 1}, "n": 1}));
    document.edit(actor(1), |draft| draft.splice("/t", 0, 0, "héllo")).unwrap();
    let before = document.value();
    let violation = document.edit(actor(1), |draft| draft.apply(intent)).unwrap_err();
    assert_eq!(violation.code(), code, "{violation}");
    assert!(violation.to_string().contains(text), "{violation}");
    assert_eq!(document.value(), before);
}

#[test]
fn what_breaks_a_rule_is_refused_with_the_value_the_rule_and_the_remedy() {
    let put = |path: &str, value: Value| Intent::Put { path: path.into(), value };
    let splice = |path: &str, at, delete| Intent::Splice { path: path.into(), at, delete, insert: "x".into() };
    check_refused(put("title", json!(1)), "bad_path", "begins with `/`");
    check_refused(put("/", json!(1)), "bad_path", "document type");
    check_refused(put("", json!({"": 1})), "bad_path", "document type");
    check_refused(put("", json!(1)), "bad_path", "whole document");
    check_refused(put("/a", json!({"b\0": 1})), "bad_path", "zero character");
    check_refused(put(&format!("/{}", "k".repeat(limits::PATH_BYTES_MAX)), json!(1)), "bad_path", "1024 bytes");
    check_refused(put("/a", json!("x".repeat(limits::REGISTER_BYTES_MAX + 1))), "too_large", "is 262145");
    check_refused(put("/a", json!(["x".repeat(limits::REGISTER_BYTES_MAX - 3)])), "too_large", "is 262145");
    check_refused(splice("/t", 6, 0), "out_of_range", "position 6 deletes 0 of a text of 5 code points");
    check_refused(splice("/t", 3, 3), "out_of_range", "position 3 deletes 3 of a text of 5 code points");
    check_refused(splice("/new", 0, 1), "out_of_range", "a text of 0 code points");
    check_refused(splice("/t", usize::MAX, usize::MAX), "out_of_range", "a text of 5 code points");
    check_refused(splice("/s", 0, 0), "wrong_kind", "a register is here, not a text");
    check_refused(splice("/o", 0, 0), "wrong_kind", "an object is here");
    check_refused(Intent::ReplaceText { path: "/s".into(), text: "x".into() }, "wrong_kind", "not a text");
    check_refused(Intent::Increment { path: "/n".into(), by: 1 }, "wrong_kind", "a register is here, not a counter");
    check_refused(Intent::Increment { path: "/t".into(), by: 1 }, "wrong_kind", "a text is here, not a counter");
    check_refused(
        Intent::Increment { path: "/c".into(), by: i64::MIN },
        "too_large",
        "the step is 9223372036854775808",
    );
    check_refused(Intent::Increment { path: "/c".into(), by: (1 << 53) + 1 }, "too_large", "at most 9007199254740992");
}

#[test]
fn limits_of_intents_hold_exactly() {
    let mut document = document(json!({}));
    let mut edit = |intent: Intent| document.edit(actor(1), |draft| draft.apply(intent));
    let nested = |levels: usize| (0..levels).fold(json!([]), |inner, _| json!([inner]));
    let put = |value: Value| Intent::Put { path: "/a".into(), value };
    edit(put(json!("x".repeat(limits::REGISTER_BYTES_MAX)))).unwrap();
    edit(put(nested(limits::VALUE_DEPTH_MAX))).unwrap();
    assert_eq!(edit(put(nested(limits::VALUE_DEPTH_MAX + 1))).unwrap_err().code(), "too_large");
    edit(Intent::Increment { path: "/c".into(), by: 1 << 53 }).unwrap();
    assert_eq!(edit(Intent::Increment { path: "/c".into(), by: 1 }).unwrap_err().code(), "out_of_range");
    edit(Intent::Put { path: format!("/{}", "k".repeat(limits::PATH_BYTES_MAX - 1)), value: json!(1) }).unwrap();
    let text = |bytes: usize| Intent::ReplaceText { path: "/t".into(), text: "x".repeat(bytes) };
    assert_eq!(edit(text(limits::INSERT_BYTES_MAX + 1)).unwrap_err().code(), "too_large");
}
