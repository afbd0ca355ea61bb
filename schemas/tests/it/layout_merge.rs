//! Two devices with the same file: what both wrote is there, once.

use schemas::layout;
use schemas::settings::Layer;

use crate::layout::{Kind, fixtures};
use crate::replicas::Replica;

const FILE: &str =
    "// Mine.\n{\n  // One.\n  \"a\": 1, // first\n  \"b\": [1, 2],\n\n  \"[rust]\": { \"c\": true },\n  \"d\": 4\n}\n";

impl Replica {
    fn import(&mut self, kind: Kind, text: &str) {
        let intents = kind.import(&self.document.value(), text).expect("the file breaks no rule");
        self.apply(intents);
    }
}

fn pair(kind: Kind) -> (Replica, Replica) {
    let name = if kind == Kind::Keymap { "keymap" } else { "settings" };
    (Replica::new(name, 1), Replica::new(name, 2))
}

/// Both import `file`, then each its own version while they are apart; the outcome is the same on both.
fn check(file: &str, left: &str, right: &str, expected: &str) {
    let kind = Kind::of(file);
    let (mut laptop, mut desktop) = pair(kind);
    laptop.import(kind, file);
    desktop.import(kind, file);
    laptop.meet(&mut desktop);
    laptop.import(kind, left);
    desktop.import(kind, right);
    laptop.meet(&mut desktop);
    assert_eq!(kind.export(&laptop.document.value()), expected);
    assert_eq!(kind.export(&desktop.document.value()), expected);
    laptop.import(kind, expected);
    assert!(!laptop.document.has_unsealed());
    assert_eq!(laptop.document.heads(), desktop.document.heads(), "an unchanged export is no edit");
}

#[test]
fn the_same_file_on_two_devices_is_there_once() {
    for (name, text) in fixtures() {
        let kind = Kind::of(&text);
        let (mut laptop, mut desktop) = pair(kind);
        laptop.import(kind, &text);
        desktop.import(kind, &text);
        laptop.meet(&mut desktop);
        assert_eq!(kind.export(&desktop.document.value()), text, "{name}");
    }
}

#[test]
fn edits_and_comments_of_both_survive() {
    let left = FILE.replace("\"a\": 1", "\"a\": 2").replace("\n\n  \"[rust]\"", "\n\n  // Rust.\n  \"[rust]\"");
    let right = FILE.replace("[1, 2],", "[1, 3], // three").replace("\"d\": 4", "// Four.\n  \"d\": 4.0");
    let expected = "// Mine.\n{\n  // One.\n  \"a\": 2, // first\n  \"b\": [1, 3], // three\n\n  // Rust.\n  \
                    \"[rust]\": { \"c\": true },\n  // Four.\n  \"d\": 4.0\n}\n";
    check(FILE, &left, &right, expected);
    check(FILE, &right, &left, expected);
}

#[test]
fn new_members_of_both_survive_with_their_comments() {
    let left = FILE.replace("\"d\": 4\n", "\"d\": 4, // four\n  // Left.\n  \"e\": 5 // five\n");
    let right = FILE.replace("\"d\": 4\n", "\"d\": 4,\n  // Right.\n  \"f\": 6 // six\n");
    let expected = FILE
        .replace("\"d\": 4\n", "\"d\": 4, // four\n  // Left.\n  \"e\": 5, // five\n  // Right.\n  \"f\": 6 // six\n");
    check(FILE, &left, &right, &expected);
}

#[test]
fn a_moved_and_a_changed_member_merge() {
    let left = "// Mine.\n{\n  \"d\": 4,\n  // One.\n  \
                \"a\": 1, // first\n  \"b\": [1, 2],\n\n  \"[rust]\": { \"c\": true }\n}\n";
    let right = FILE.replace("\"d\": 4", "\"d\": 5 // five");
    check(FILE, left, &right, &left.replace("\"d\": 4,", "\"d\": 5, // five"));
}

#[test]
fn a_removed_object_and_a_setting_inside_it_merge() {
    let left = FILE.replace("\n\n  \"[rust]\": { \"c\": true },", "");
    let right = FILE.replace("{ \"c\": true }", "{ \"c\": true, \"x\": 1 }");
    // What the one did not see stays: the new setting, with what is still known of its surroundings.
    let (kind, (mut laptop, mut desktop)) = (Kind::Settings, pair(Kind::Settings));
    laptop.import(kind, FILE);
    laptop.meet(&mut desktop);
    laptop.import(kind, &left);
    desktop.import(kind, &right);
    laptop.meet(&mut desktop);
    let text = kind.export(&laptop.document.value());
    assert_eq!(schemas::jsonc::parse(&text).expect("an export can be read")["[rust]"], serde_json::json!({"x": 1}));
    assert!(text.contains("// One.") && text.contains("// Mine."), "{text}");
}

#[test]
fn line_ends_and_a_comment_merge() {
    let right = FILE.replace("// One.", "// Eins.\n\n  // Zwei.");
    check(FILE, &FILE.replace('\n', "\r\n"), &right, &right.replace('\n', "\r\n"));
}

#[test]
fn comments_of_a_keymap_survive_on_both_sides() {
    let file =
        "[\n  // Undo.\n  { \"key\": \"z\", \"command\": \"undo\" },\n  { \"key\": \"y\", \"command\": \"redo\" }\n]\n";
    let left = file.replace("\"undo\" }", "\"undo\" } /* left */");
    let right = file.replace("  { \"key\": \"y\"", "  // Redo.\n  { \"key\": \"ctrl+y\"");
    check(file, &left, &right, &right.replace("\"undo\" }", "\"undo\" } /* left */"));
}

#[test]
fn a_file_read_against_what_it_was_written_from_merges_with_what_came_meanwhile() {
    let (kind, (mut laptop, mut desktop)) = (Kind::Settings, pair(Kind::Settings));
    laptop.import(kind, FILE);
    laptop.meet(&mut desktop);
    let written = laptop.document.value();
    desktop.import(kind, &FILE.replace("\"d\": 4", "\"d\": 5 // five"));
    laptop.meet(&mut desktop);
    let edited = FILE.replace("\"a\": 1", "\"a\": 2");
    let (intents, _) = layout::import(&Layer::BASE, &written, &edited).expect("the file breaks no rule");
    laptop.apply(intents);
    assert_eq!(kind.export(&laptop.document.value()), edited.replace("\"d\": 4", "\"d\": 5 // five"));
}

#[test]
fn comments_of_both_at_one_place_survive() {
    for place in ["// Mine.\n", "  \"a\"", "}\n"] {
        let (left, right) =
            if place == "  \"a\"" { ("  // L\n", "  // R1\n  // R2\n") } else { ("// L\n", "// R1\n// R2\n") };
        let with = |comment: &str| FILE.replace(place, &format!("{comment}{place}"));
        let (kind, (mut laptop, mut desktop)) = (Kind::Settings, pair(Kind::Settings));
        laptop.import(kind, FILE);
        desktop.import(kind, FILE);
        laptop.meet(&mut desktop);
        laptop.import(kind, &with(left));
        desktop.import(kind, &with(right));
        laptop.meet(&mut desktop);
        let text = kind.export(&laptop.document.value());
        let without: Vec<&str> = text.lines().filter(|line| !line.contains("// L") && !line.contains("// R")).collect();
        assert_eq!(without, FILE.lines().collect::<Vec<_>>(), "{text}");
        let count = |comment: &str| text.lines().filter(|line| line.trim() == comment).count();
        assert_eq!((count("// L"), count("// R1"), count("// R2")), (1, 1, 1), "{text}");
    }
}
