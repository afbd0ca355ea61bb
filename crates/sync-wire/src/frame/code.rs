//! Numbers that say why: of a batch's fate, and of a connection's end. Stable; unknown ones are shown as they are.

use minicbor::{Decode, Encode};

/// Why a batch was refused or parked. Numbers are stable; unknown ones are shown as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct FateCode(#[n(0)] pub u16);

impl FateCode {
    /// Refused: the bytes break a rule of the encoding or of a seed.
    pub const UNDECODABLE: Self = Self(1);
    /// Refused: Automerge cannot hold the change safely.
    pub const DANGEROUS: Self = Self(2);
    /// Refused: another change has this actor and sequence number.
    pub const EQUIVOCATION: Self = Self(3);
    /// Refused: sound itself, but it came with a change that is not.
    pub const WITH: Self = Self(4);
    /// Refused: the document was purged.
    pub const GONE: Self = Self(5);
    /// Excluded from the log by a repair; said of what was in the log already, never of a push.
    pub const VOID: Self = Self(6);
    /// Refused: the relay alone writes this document.
    pub const AUTHORITY: Self = Self(7);
    /// Parked: the account may not write in the space.
    pub const GRANT: Self = Self(32);
    /// Parked: the actor belongs to another device, or the device may not write.
    pub const DEVICE: Self = Self(33);
    /// Parked: the account's or the document's quota is used up.
    pub const QUOTA: Self = Self(34);
    /// Parked: larger than the relay takes.
    pub const SIZE: Self = Self(35);
    /// Parked: the type is newer than the relay knows.
    pub const SCHEMA: Self = Self(36);
    /// Parked: a deletion that does not know the newest edits.
    pub const CONTESTED: Self = Self(37);
    /// Parked: the document was deleted.
    pub const DELETED: Self = Self(38);
    /// Parked: it rests on changes that nobody could supply.
    pub const MISSING: Self = Self(39);
    /// Parked: the document would have too many heads.
    pub const HEADS: Self = Self(40);
    /// Parked: no space of that id for this account, whether or not it exists.
    pub const NO_SUCH_SPACE: Self = Self(41);
    /// Parked: the document failed its check and is read-only until it is repaired.
    pub const HELD: Self = Self(42);
    /// Parked by the device itself, never by a relay: too many deletions within an hour, so a person is asked first.
    pub const BRAKE: Self = Self(64);
    /// Quarantined by the device itself, never by a relay: said in one go with others, so that there is room for it.
    pub const SQUASHED: Self = Self(65);

    /// The stable word for this code, or `unknown`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UNDECODABLE => "undecodable",
            Self::DANGEROUS => "dangerous",
            Self::EQUIVOCATION => "equivocation",
            Self::WITH => "with",
            Self::GONE => "gone",
            Self::VOID => "void",
            Self::AUTHORITY => "authority",
            Self::NO_SUCH_SPACE => "no_such_space",
            Self::HELD => "held",
            Self::GRANT => "grant",
            Self::DEVICE => "device",
            Self::QUOTA => "quota",
            Self::SIZE => "size",
            Self::SCHEMA => "schema",
            Self::CONTESTED => "contested",
            Self::DELETED => "deleted",
            Self::MISSING => "missing",
            Self::HEADS => "heads",
            Self::BRAKE => "brake",
            Self::SQUASHED => "squashed",
            _ => "unknown",
        }
    }
}

/// Why the relay closes. Numbers are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct GoodbyeCode(#[n(0)] pub u16);

impl GoodbyeCode {
    /// The relay restarts.
    pub const SHUTTING_DOWN: Self = Self(1);
    /// The token is unknown, expired or revoked.
    pub const UNAUTHENTICATED: Self = Self(2);
    /// The device was revoked.
    pub const DEVICE_REVOKED: Self = Self(3);
    /// The device is bound to another account.
    pub const DEVICE_TAKEN: Self = Self(4);
    /// The device broke a rule of the protocol; `detail` says which.
    pub const PROTOCOL: Self = Self(5);
    /// The device did not answer, or did not read, in time.
    pub const TOO_SLOW: Self = Self(6);
    /// The relay has no room; come back later.
    pub const OVERLOADED: Self = Self(7);
    /// No common wire version.
    pub const VERSION: Self = Self(8);
    /// The relay failed to do its work (a full disk, say); nothing was acknowledged wrongly.
    pub const UNAVAILABLE: Self = Self(9);
    /// The device has a newer connection. One that knows nothing of that is a copy, and may come back beside it.
    pub const SUPERSEDED: Self = Self(10);

    /// The stable word for this code, or `unknown`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SHUTTING_DOWN => "shutting_down",
            Self::UNAUTHENTICATED => "unauthenticated",
            Self::DEVICE_REVOKED => "device_revoked",
            Self::DEVICE_TAKEN => "device_taken",
            Self::PROTOCOL => "protocol",
            Self::TOO_SLOW => "too_slow",
            Self::OVERLOADED => "overloaded",
            Self::VERSION => "version",
            Self::UNAVAILABLE => "unavailable",
            Self::SUPERSEDED => "superseded",
            _ => "unknown",
        }
    }

    /// Whether reconnecting with the same credentials can help.
    #[must_use]
    pub const fn is_worth_retrying(self) -> bool {
        !matches!(self, Self::UNAUTHENTICATED | Self::DEVICE_REVOKED | Self::DEVICE_TAKEN | Self::VERSION)
    }
}
