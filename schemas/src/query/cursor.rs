//! The place after which a page goes on.

use std::fmt;
use std::str::FromStr;

use sync_wire::DocumentId;

use super::{Key, QueryError};

/// Longest text of one, in bytes.
const TEXT_BYTES_MAX: usize = 4096;
const ID: usize = DocumentId::LEN;
/// Query, id and tie.
const FIXED: usize = 8 + ID + 8;

/// A place in the answer to a query, to go on from. As text it is opaque, and means nothing to any other query.
///
/// What is written meanwhile moves nobody else: each document that stays where it was is seen exactly once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    pub(super) query: u64,
    /// The document before.
    pub seek: Seek,
}

/// A document's place in an order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seek {
    /// What it is ordered by.
    pub key: Key,
    /// Tells documents with equal keys apart.
    pub id: DocumentId,
    /// Tells documents of equal ids in two spaces apart; only who gave it knows what it means.
    pub tie: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seek { key, id, tie } = &self.seek;
        let parts = [&self.query.to_be_bytes()[..], &id.0, &tie.to_be_bytes(), key.as_bytes()];
        parts.iter().copied().flatten().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Cursor {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        parse(text).ok_or(QueryError::Cursor { rule: "is not one that a page gave" })
    }
}

fn parse(text: &str) -> Option<Cursor> {
    if text.len() > TEXT_BYTES_MAX || text.len() % 2 == 1 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes: Vec<u8> = (0..text.len()).step_by(2).map(byte).collect::<Option<_>>()?;
    let (fixed, key) = bytes.split_at_checked(FIXED)?;
    let number = |at: usize| Some(u64::from_be_bytes(fixed.get(at..at + 8)?.try_into().ok()?));
    let id = DocumentId(fixed.get(8..8 + ID)?.try_into().ok()?);
    let seek = Seek { key: Key::from_bytes(key.to_vec()), id, tie: number(8 + ID)? };
    Some(Cursor { query: number(0)?, seek })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_survives_being_text_and_anything_else_is_refused() {
        let key = Key::of(&json!("a ☃ b")).unwrap();
        let cursor = Cursor { query: u64::MAX - 3, seek: Seek { key, id: DocumentId([7; 16]), tie: 9 } };
        let text = cursor.to_string();
        assert_eq!(text.parse::<Cursor>().unwrap(), cursor);
        for wrong in ["", "zz", "é", "0", &text[..30], &text[1..], &"00".repeat(5000)] {
            assert_eq!(wrong.parse::<Cursor>().unwrap_err().code(), "cursor", "{wrong}");
        }
    }
}
