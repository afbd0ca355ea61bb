//! Two versions of the program: that of today, and one of tomorrow, which says more and keeps more. Both have to do
//! with what the other one sends and stores.
//!
//! Tomorrow's is today's code with shifted constants: it offers another version of the wire, adds keys to every frame
//! and sends frames of a new kind; its files have another minor version, a column and a table more; and it has a second
//! version of the type `note`.

use std::path::Path;
use std::sync::LazyLock;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use schemas::Registry;
use sync_wire::limits::WIRE_VERSION;
use sync_wire::{DeviceFrame, VersionRange, encode_device_frame};

use crate::rng::Rng;

/// Which one a machine runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Edition {
    /// That of today.
    #[default]
    Today,
    /// That of tomorrow.
    Tomorrow,
}

/// A frame of a kind that nobody knows today.
pub const UNKNOWN_FRAME: [u8; 6] = [0x82, 0x18, 200, 0xa1, 0x00, 0x01];
/// Key 200 with a text, as it stands in a map.
const UNKNOWN_KEY: [u8; 8] = [0x18, 200, 0x65, b'l', b'a', b't', b'e', b'r'];
/// Heads of maps of so many keys hold their number.
const SHORT_MAP: std::ops::Range<u8> = 0xa0..0xb7;

/// The second version of the type `note`, beside the first: one field more.
const NOTE_2: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "Note",
  "description": "A text with a name that can be pinned.",
  "x-type": "note",
  "x-version": 2,
  "x-title": "/name",
  "type": "object",
  "properties": {
    "name": { "description": "What it is called.", "type": "string", "default": "Untitled", "x-limit": { "bytes": 1024 } },
    "body": { "description": "The text.", "type": "string", "x-merge": "text", "default": "" },
    "pinned": { "description": "Whether it stays on top.", "type": "boolean", "x-since": 2, "default": false }
  }
}"#;

static TYPES: LazyLock<Registry> = LazyLock::new(|| {
    Registry::with_files([("note/2.json", NOTE_2)]).unwrap_or_else(|error| panic!("the schema of tomorrow: {error}"))
});

impl Edition {
    /// One of them.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Self {
        if rng.chance(0.5) { Self::Today } else { Self::Tomorrow }
    }

    /// Its document types.
    #[must_use]
    pub fn types(self) -> &'static Registry {
        match self {
            Self::Today => Registry::builtin(),
            Self::Tomorrow => &TYPES,
        }
    }

    /// A frame of its device, as bytes.
    #[must_use]
    pub fn device_frame(self, frame: &DeviceFrame) -> Vec<u8> {
        match (self, frame) {
            (Self::Tomorrow, DeviceFrame::Hello(hello)) => {
                let versions = VersionRange { oldest: WIRE_VERSION, newest: WIRE_VERSION + 1 };
                let hello = DeviceFrame::Hello(sync_wire::Hello { versions, ..hello.clone() });
                self.dressed(encode_device_frame(&hello))
            }
            _ => self.dressed(encode_device_frame(frame)),
        }
    }

    /// The bytes of a frame with the keys that it adds.
    #[must_use]
    pub fn dressed(self, mut frame: Vec<u8>) -> Vec<u8> {
        // `82 KIND MAP`, and every kind so far is one byte.
        if self == Self::Tomorrow && frame.get(2).is_some_and(|head| SHORT_MAP.contains(head)) {
            frame[2] += 1;
            frame.extend(UNKNOWN_KEY);
        }
        frame
    }

    /// What it leaves in the files of a vault that nobody has open.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn leave_traces(self, file: &Path) -> rusqlite::Result<Traces> {
        if self == Self::Today {
            return Ok(Traces::None);
        }
        let connection = Connection::open(file)?;
        // What is in the log stays there: the machine is to find its files as it left them.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let is_there = "SELECT count(*) FROM sqlite_schema WHERE name = 'later'";
        if connection.query_row(is_there, [], |row| row.get::<_, i64>(0))? > 0 {
            return Ok(Traces::None);
        }
        connection.execute_batch(
            "BEGIN IMMEDIATE;
             CREATE TABLE later (document INTEGER PRIMARY KEY, note TEXT) STRICT;
             ALTER TABLE documents ADD COLUMN later TEXT;
             ALTER TABLE batches ADD COLUMN later INTEGER NOT NULL DEFAULT 7;
             COMMIT;",
        )?;
        let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        connection.pragma_update(None, "user_version", version + 1)?;
        Ok(Traces::Left)
    }
}

/// Whether files were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traces {
    /// They were.
    Left,
    /// They were not.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dressed_frame_is_the_same_frame_to_who_knows_nothing_of_its_keys() {
        let confirm =
            sync_wire::Confirm { space: sync_wire::SpaceId([1; 16]), position: sync_wire::Position(7), frames: 1 };
        let frame = DeviceFrame::Confirm(confirm);
        let (plain, dressed) = (encode_device_frame(&frame), Edition::Tomorrow.device_frame(&frame));
        assert_ne!(plain, dressed);
        assert_eq!(sync_wire::decode_device_frame(&dressed).unwrap(), Some(frame));
        assert_eq!(sync_wire::decode_device_frame(&UNKNOWN_FRAME).unwrap(), None);
    }
}
