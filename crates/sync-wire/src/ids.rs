//! The identities of the protocol, each a type of its own so that none can stand in for another.
//!
//! All ids of 16 bytes are shown as automerge-repo shows document ids (bs58check), so that a document id is a valid
//! `automerge:` URL without its scheme. Hashes are shown in lower-case hexadecimal.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder};

/// A text that is not the id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {noun}: expected {expected}")]
pub struct ParseIdError {
    noun: &'static str,
    text: String,
    expected: &'static str,
}

impl ParseIdError {
    fn new(noun: &'static str, text: &str, expected: &'static str) -> Self {
        Self { noun, text: text.chars().take(80).collect(), expected }
    }
}

macro_rules! bytes_newtype {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Reads the id from exactly [`Self::LEN`] bytes.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                Self::from_slice(d.bytes()?)
                    .ok_or_else(|| minicbor::decode::Error::message(concat!(stringify!($name), " has the wrong length")))
            }
        }
    };
}

macro_rules! id16 {
    ($(#[$doc:meta])* $name:ident, $noun:literal) => {
        bytes_newtype!($(#[$doc])* $name, 16);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&bs58::encode(&self.0).with_check().into_string())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let wrong = || ParseIdError::new($noun, text, "16 bytes in bs58check");
                if text.len() > 40 {
                    return Err(wrong());
                }
                let bytes = bs58::decode(text).with_check(None).into_vec().map_err(|_| wrong())?;
                Self::from_slice(&bytes).ok_or_else(wrong)
            }
        }
    };
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $noun:literal) => {
        bytes_newtype!($(#[$doc])* $name, $len);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let wrong = || ParseIdError::new($noun, text, concat!(stringify!($len), " bytes in hexadecimal"));
                if text.len() != 2 * $len || !text.is_ascii() {
                    return Err(wrong());
                }
                let mut bytes = [0; $len];
                for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                    let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
                    *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
                }
                Ok(Self(bytes))
            }
        }
    };
}

id16!(
    /// A person's account on a relay.
    AccountId, "account id"
);
id16!(
    /// One installation of an editor; random, made when its vault is created.
    DeviceId, "device id"
);
id16!(
    /// The unit of access, subscription and order; each space has one log.
    SpaceId, "space id"
);
id16!(
    /// One document within a space. The identity of a document is (space, document), never this alone.
    DocumentId, "document id"
);
id16!(
    /// The changes of one document that a device pushes and that are judged together.
    BatchId, "batch id"
);
hex_id!(
    /// An Automerge actor, always 16 bytes here.
    Actor, 16, "actor"
);
hex_id!(
    /// SHA-256 of a change's canonical chunk, as Automerge defines it; BLAKE3 for the other entry kinds.
    ChangeHash, 32, "change hash"
);
hex_id!(
    /// One life of a log; positions of different epochs cannot be compared.
    Epoch, 8, "epoch"
);
hex_id!(
    /// The running digest of a log after some position.
    Chain, 32, "chain digest"
);
hex_id!(
    /// The secret of a space that keys its entry digests; shredded when the space is erased.
    Salt, 32, "salt"
);

impl BatchId {
    /// Bytes of it that are drawn, where it says of which refused batch a change is made again.
    const DRAWN: usize = 8;

    /// Names the batch of a change that anybody may have to push who holds it, and not only the device that wrote it:
    /// all seal the same one. Such are changes that were written anew, which every holder makes alike, and those that
    /// were found within a snapshot. They bind a name to an account, and to none of its devices.
    ///
    /// The first 16 bytes of BLAKE3 in its mode of deriving keys, in the context `symphony-vault 1 batch of a
    /// replacement`, over document and hash.
    #[must_use]
    pub fn derived(document: DocumentId, change: &ChangeHash) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("symphony-vault 1 batch of a replacement");
        hasher.update(&document.0).update(&change.0);
        let mut name = [0; Self::LEN];
        hasher.finalize_xof().fill(&mut name);
        Self(name)
    }

    /// Names the batch of an edit that says again what `change` of the batch `refused` said. Half of the name is that
    /// of `drawn`; the other half only who knows the refused batch can find. That one was delivered to nobody, so it is
    /// known to its device and to its relay: by such a name the device tells an edit of its own account from one of
    /// somebody else who says that he has made it again.
    ///
    /// ```
    /// use sync_wire::{BatchId, ChangeHash};
    ///
    /// let (refused, change) = (BatchId([1; 16]), ChangeHash([2; 32]));
    /// let again = BatchId::of_resubmission(BatchId([3; 16]), refused, &change);
    /// assert!(again.is_resubmission_of(refused, &change));
    /// assert!(!again.is_resubmission_of(BatchId([4; 16]), &change));
    /// assert!(!BatchId([3; 16]).is_resubmission_of(refused, &change));
    /// ```
    #[must_use]
    pub fn of_resubmission(drawn: Self, refused: Self, change: &ChangeHash) -> Self {
        let mut name = drawn.0;
        let mut hasher = blake3::Hasher::new_derive_key("symphony-vault 1 resubmission");
        hasher.update(&refused.0).update(&change.0).update(&name[..Self::DRAWN]);
        hasher.finalize_xof().fill(&mut name[Self::DRAWN..]);
        Self(name)
    }

    /// Whether the batch was named so: [`Self::of_resubmission`].
    #[must_use]
    pub fn is_resubmission_of(self, refused: Self, change: &ChangeHash) -> bool {
        Self::of_resubmission(self, refused, change) == self
    }
}

impl Chain {
    /// The chain before the first entry.
    pub const START: Self = Self([0; 32]);
}

impl ChangeHash {
    /// The first eight hexadecimal digits, for logs and people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

/// A place in a log: the number of entries up to and including it, so `Position(0)` is before the first entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Position(#[n(0)] pub u64);

impl Position {
    /// Before the first entry.
    pub const START: Self = Self(0);

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A position with its epoch: the only form in which a position leaves the log. Written `epoch:position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(map)]
pub struct LogPosition {
    /// The life of the log that `position` belongs to.
    #[n(0)]
    pub epoch: Epoch,
    /// The place in it.
    #[n(1)]
    pub position: Position,
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.position)
    }
}

impl FromStr for LogPosition {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let wrong = || ParseIdError::new("log position", text, "EPOCH:POSITION, as in 00112233aabbccdd:42");
        let (epoch, position) = text.split_once(':').ok_or_else(wrong)?;
        Ok(Self {
            epoch: epoch.parse().map_err(|_| wrong())?,
            position: Position(position.parse().map_err(|_| wrong())?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_as_they_are_shown() {
        let id = DocumentId([7; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        let hash = ChangeHash([0xab; 32]);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        let at = LogPosition { epoch: Epoch([1; 8]), position: Position(42) };
        assert_eq!(at.to_string(), "0101010101010101:42");
        assert_eq!(at.to_string().parse(), Ok(at));
    }

    #[test]
    fn a_mistyped_id_is_refused_by_its_checksum() {
        let mut text = DocumentId([7; 16]).to_string();
        let last = if text.pop() == Some('z') { 'y' } else { 'z' };
        text.push(last);
        let error = text.parse::<DocumentId>().unwrap_err().to_string();
        assert!(error.contains(&text) && error.contains("bs58check"), "{error}");
    }

    #[test]
    fn hostile_texts_are_refused() {
        for text in ["", ":", "x:1", "0101010101010101:-1", "0101010101010101:1:2", "é"] {
            assert!(text.parse::<LogPosition>().is_err(), "{text}");
            assert!(text.parse::<ChangeHash>().is_err(), "{text}");
            assert!(text.parse::<DocumentId>().is_err(), "{text}");
        }
        assert!("1".repeat(10_000).parse::<DocumentId>().is_err());
    }
}
