//! What the user can know about the connection.

use std::time::Duration;

use sync_wire::GoodbyeCode;

/// What the user can know about the connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Where the connection stands.
    pub link: Link,
    /// Whether every batch of an open lane has a fate. (Parked lanes do not count.)
    pub outbox_is_empty: bool,
    /// Whether everything the relay is known to have was delivered and committed.
    pub is_caught_up: bool,
    /// What the relay says while it has no room for what is pushed: a sentence for people. What waits for room is sent
    /// again by itself.
    pub no_room: Option<String>,
}

impl Status {
    /// Connected, with nothing left to send or to receive.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.link == Link::Online && self.outbox_is_empty && self.is_caught_up
    }
}

/// Where the connection stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Link {
    /// Not wanted.
    #[default]
    Off,
    /// Being opened.
    Connecting,
    /// Open and welcomed.
    Online,
    /// Waiting to try again.
    Waiting {
        /// Why the last attempt ended.
        detail: String,
        /// For how long.
        retry_in: Duration,
    },
    /// Another process syncs the vault, and this one does as soon as that ends.
    InLine,
    /// Given up until started again: a person must log in, or a program be updated.
    Blocked {
        /// Why.
        code: Option<GoodbyeCode>,
        /// A sentence for people.
        detail: String,
    },
}
