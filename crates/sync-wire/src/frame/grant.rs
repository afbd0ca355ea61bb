//! Spaces, and what an account may do in them.

use minicbor::{Decode, Encode};

#[cfg(doc)]
use super::{Bootstrap, Deliver};
use crate::ids::{Chain, LogPosition, Position, Salt, SpaceId};

/// What an account may do in a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Role {
    /// Reads.
    #[n(1)]
    Viewer,
    /// Reads and writes.
    #[n(2)]
    Editor,
    /// Reads, writes, grants and repairs.
    #[n(3)]
    Owner,
}

impl Role {
    /// Whether pushes are accepted.
    #[must_use]
    pub const fn can_write(self) -> bool {
        matches!(self, Self::Editor | Self::Owner)
    }

    /// The word for it on command lines and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Owner => "owner",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Editor, Self::Owner].into_iter().find(|role| role.name() == name)
    }
}

/// What a space is for; decides when its batches are checked (PROTOCOL §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum SpaceKind {
    /// One account's own.
    #[n(1)]
    Personal,
    /// Shared by accounts.
    #[n(2)]
    Team,
    /// Written by the server alone.
    #[n(3)]
    Catalog,
}

impl SpaceKind {
    /// The word for it on command lines and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Team => "team",
            Self::Catalog => "catalog",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Personal, Self::Team, Self::Catalog].into_iter().find(|kind| kind.name() == name)
    }
}

/// A space that the account may read, and where its log stands.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Grant {
    /// The space.
    #[n(0)]
    pub space: SpaceId,
    /// Its kind.
    #[n(1)]
    pub kind: SpaceKind,
    /// What the account may do there.
    #[n(2)]
    pub role: Role,
    /// Its name, for people.
    #[n(3)]
    pub name: String,
    /// Keys the digests of its entries.
    #[n(4)]
    pub salt: Salt,
    /// Changes whenever a grant of the space changes: batches parked for want of a grant are worth pushing again.
    #[n(5)]
    pub access_version: u64,
    /// Where the log ends.
    #[n(6)]
    pub end: LogPosition,
    /// How the device continues.
    #[n(7)]
    pub resume: Resume,
}

/// How a device continues in a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Resume {
    /// From the cursor it sent (and the bootstrap that it sent with it, if any).
    #[n(0)]
    Continue,
    /// Its cursor is none of this log's: whole documents follow as [`Bootstrap`], and entries after `at` as
    /// [`Deliver`]. What the device holds stays.
    #[n(1)]
    Bootstrap {
        /// The bootstrap covers entries up to here; with 0 there is nothing to bootstrap, and none follows.
        #[n(0)]
        at: Position,
        /// The chain digest there.
        #[n(1)]
        chain: Chain,
    },
    /// Its cursor is none of this log's, which may have lost its end: the device keeps its cursor and offers what it
    /// has ([`super::Offer`]). Until it is done nothing is delivered, and its pushes wait.
    #[n(2)]
    Offer,
    /// The offer is done: the device has everything up to here, and the log goes on from here.
    #[n(3)]
    From {
        /// The place; the beginning if the two have nothing in common.
        #[n(0)]
        at: Position,
        /// The chain digest there.
        #[n(1)]
        chain: Chain,
    },
}
