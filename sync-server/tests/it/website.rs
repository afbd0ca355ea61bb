//! What a page of the website does with documents: it reads, writes, and sees their tags.

use serde_json::Value;
use sync_wire::{DocumentId, SpaceId};

use crate::http::{Answer, get, send};
use crate::relay::{Account, Relay};

pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const STEPS: &str = "application/json-patch+json";

/// A page of somebody.
pub(crate) struct Page<'r> {
    pub(crate) relay: &'r Relay,
    pub(crate) token: String,
    pub(crate) space: SpaceId,
}

impl<'r> Page<'r> {
    pub(crate) fn of(relay: &'r Relay, account: &Account, space: SpaceId) -> Self {
        Self { relay, token: account.token.clone(), space }
    }

    pub(crate) fn path(&self, document: DocumentId) -> String {
        format!("/api/v1/spaces/{}/documents/{document}", self.space)
    }

    pub(crate) async fn read(&self, document: DocumentId) -> Answer {
        get(self.relay.address, &self.token, &self.path(document)).await
    }

    /// The document once it contains a place, and its tag.
    pub(crate) async fn read_after(&self, document: DocumentId, at: impl std::fmt::Display) -> String {
        let answer = get(self.relay.address, &self.token, &format!("{}?after={at}", self.path(document))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        tag(&answer)
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend(headers);
        send(self.relay.address, method, path, &all, body).await
    }

    pub(crate) async fn patch(&self, document: DocumentId, seen: &str, kind: &str, body: &Value) -> Answer {
        let headers = [("if-match", seen), ("content-type", kind)];
        self.send("PATCH", &self.path(document), &headers, &body.to_string()).await
    }

    pub(crate) async fn merge(&self, document: DocumentId, seen: &str, body: &Value) -> Answer {
        self.patch(document, seen, MERGE, body).await
    }

    pub(crate) async fn create(&self, body: &Value) -> Answer {
        let path = format!("/api/v1/spaces/{}/documents", self.space);
        self.send("POST", &path, &[("content-type", "application/json")], &body.to_string()).await
    }
}

pub(crate) fn tag(answer: &Answer) -> String {
    answer.headers.get("etag").unwrap_or_else(|| panic!("no tag: {answer:?}")).clone()
}

pub(crate) fn value(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["value"].clone()
}
