//! Settings files: whatever is read is a value, and what a vault writes of it can be read again.

use document::Document;
use schemas::settings::Layer;
use schemas::{jsonc, layout};
use serde_json::json;
use sync_wire::Actor;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(parsed) = jsonc::read(text) else {
        assert!(jsonc::parse(text).is_err(), "both readers say the same");
        return;
    };
    assert_eq!(jsonc::parse(text).as_ref(), Ok(&parsed.value), "both readers say the same");
    let plain = parsed.value.to_string();
    assert_eq!(jsonc::parse(&plain).as_ref(), Ok(&parsed.value), "a value is read as it was written");
    // A file of somebody's settings is taken as it is, or refused with reasons.
    let Ok((intents, _)) = layout::import(&Layer::BASE, &json!({}), text) else { return };
    let mut document = Document::new(Some("settings"));
    let edited = document.edit(Actor([1; 16]), |draft| intents.into_iter().try_for_each(|intent| draft.apply(intent)));
    edited.expect("what an import wants can be done");
    let written = layout::export(&Layer::BASE, &document.value());
    assert_eq!(jsonc::parse(&written).as_ref(), Ok(&parsed.value), "the values are those of the file");
    let (again, _) = layout::import(&Layer::BASE, &document.value(), &written).expect("it is read again");
    assert_eq!(again, [], "what was written wants nothing");
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "{\n  // a comment\n  \"editor.tabSize\": 4, /* another */\n  \"[rust]\": { \"a\": [1, 2.5e3, true, null,], },\n}\n",
        "\u{feff}{\"a\":\"\\u00e4\\ud83d\\ude00\",\"a\":-0,\"b\":123456789012345678901234567890}",
        "[[[[[[[[{\"x\":{}}]]]]]]]]\r\n",
    ];
    texts.into_iter().map(|text| text.as_bytes().to_vec()).collect()
}
