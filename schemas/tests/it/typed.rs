//! The Rust types of the built-in types, held against the fixtures that every release has left.

use schemas::typed::{
    Extensions, Identity, Keymap, Note, Profile, Publisher, Review, Settings, Snippets, Trust, Typed, carry,
};
use schemas::{Registry, typescript};
use serde_json::{Value, json};

use crate::fixtures::fixtures;

/// What a program that knows a document as `T` reads of each fixture is what is there, and writing it changes nothing.
fn check<T: Typed>() {
    let newest = Registry::builtin().get(T::TYPE).expect("a built-in type");
    let versions = Registry::builtin().all().filter(|version| version.name == T::TYPE);
    for fixture in versions.flat_map(fixtures) {
        let read: T = serde_json::from_value(fixture.plain.clone())
            .unwrap_or_else(|error| panic!("{} does not fit its Rust type: {error}", fixture.name));
        let seen = serde_json::to_value(&read).unwrap();
        assert_eq!(carry(&fixture.plain, &seen, &seen), fixture.plain, "{}", fixture.name);
        let named =
            |value: &Value| value.as_object().map(|it| it.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        let unseen: Vec<String> = named(&fixture.plain).into_iter().filter(|key| seen.get(key).is_none()).collect();
        let is_looks = |key: &String| key == "layout";
        assert!(unseen.iter().all(is_looks), "{}: the Rust type lacks {unseen:?}", fixture.name);
        assert_eq!(newest.check(&seen), [], "{}: what the Rust type writes", fixture.name);
    }
}

#[test]
fn every_built_in_type_has_a_rust_type_that_holds_its_fixtures() {
    let checks: [(&str, fn()); 10] = [
        (Settings::TYPE, check::<Settings>),
        (Keymap::TYPE, check::<Keymap>),
        (Snippets::TYPE, check::<Snippets>),
        (Profile::TYPE, check::<Profile>),
        (Identity::TYPE, check::<Identity>),
        (Extensions::TYPE, check::<Extensions>),
        (Note::TYPE, check::<Note>),
        (Trust::TYPE, check::<Trust>),
        (Publisher::TYPE, check::<Publisher>),
        (Review::TYPE, check::<Review>),
    ];
    for name in Registry::builtin().names() {
        let (_, check) = checks.iter().find(|(known, _)| *known == name).expect("a type without a Rust type");
        check();
    }
}

#[test]
fn an_empty_well_known_document_fits_its_rust_type() {
    fn fits<T: Typed>() {
        assert!(serde_json::from_value::<T>(json!({})).is_ok(), "{}", T::TYPE);
    }
    fits::<Settings>();
    fits::<Keymap>();
    fits::<Snippets>();
    fits::<Profile>();
    fits::<Extensions>();
    fits::<Trust>();
    fits::<Publisher>();
}

#[test]
fn every_built_in_type_is_declared_in_typescript() {
    let declared = typescript::builtin();
    for name in Registry::builtin().names() {
        let interface = format!("export interface {}{} {{", name[..1].to_uppercase(), &name[1..]);
        assert!(declared.contains(&interface), "{interface}");
    }
}
