//! Requests with a key of their sender: done once, however often they come.
//!
//! The ids of batch and document are derived from the key. So whoever takes a request over whose relay is gone sees in
//! the log whether it was written; a row alone could not tell that.

use relay_storage::{BatchFate, Keyed};
use sync_wire::{AccountId, BatchId, DeviceId, DocumentId, LogPosition, Position};

use super::error::WriteError;
use super::{Deed, Done, Place, not_taken};
use crate::access::Writable;
use crate::app::App;

/// A key, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// As its sender wrote it.
    pub text: String,
    /// Of all that the request says.
    pub fingerprint: [u8; 32],
}

/// What a request makes is called so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) batch: BatchId,
    /// If it makes a document whose id is not derived otherwise.
    pub(super) document: DocumentId,
}

impl Names {
    /// Those of a request without a key.
    pub(super) fn drawn() -> Self {
        Self { batch: BatchId(rand::random()), document: DocumentId(rand::random()) }
    }

    /// Those of a request with one, always the same. Of the whole request: a key is forgotten after a day, and may then
    /// be that of another one.
    pub(super) fn derived(account: AccountId, key: &Key) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("symphony-vault 1 keyed request");
        hasher.update(&account.0).update(&key.fingerprint).update(key.text.as_bytes());
        let mut names = [0; 32];
        hasher.finalize_xof().fill(&mut names);
        let [batch, document] = [&names[..16], &names[16..]].map(|half| std::array::from_fn(|at| half[at]));
        Self { batch: BatchId(batch), document: DocumentId(document) }
    }
}

/// Does what a request with a key wants, unless that was done.
pub(super) async fn perform(app: &App, target: &Writable, deed: Deed, key: &Key) -> Result<Done, WriteError> {
    let account = target.account();
    let names = deed.named(Names::derived(account, key));
    let done = match app.storage.begin_keyed(account, &key.text, key.fingerprint).await? {
        Keyed::OfAnother => return Err(WriteError::KeyReused),
        Keyed::Underway => return Err(WriteError::Underway),
        Keyed::Full { most } => return Err(WriteError::KeysFull(most)),
        Keyed::Answered(answer) => match decoded(&answer) {
            Some(done) if done.place == Place::Stored => look(app, target, done, names).await?.unwrap_or(done),
            Some(done) => return Ok(done),
            None => return Err(WriteError::Stopped("the kept answer cannot be read".to_owned())),
        },
        Keyed::TakenOver => {
            let document = deed.document(&app.types.current(), names)?;
            let done = Done { document, place: Place::Stored, is_new: deed.is_creation() };
            match look(app, target, done, names).await? {
                Some(done) => done,
                None => anew(app, target, deed, names, key).await?,
            }
        }
        Keyed::Begun => anew(app, target, deed, names, key).await?,
    };
    app.storage.answer_keyed(account, &key.text, encoded(&done)).await?;
    Ok(done)
}

async fn anew(app: &App, target: &Writable, deed: Deed, names: Names, key: &Key) -> Result<Done, WriteError> {
    let done = super::write(app, target, deed, names).await;
    if done.as_ref().is_err_and(WriteError::is_certain) {
        app.storage.forget_keyed(target.account(), &key.text).await?;
    }
    done
}

/// Where the batch of a request is, if it is anywhere.
async fn look(app: &App, target: &Writable, done: Done, names: Names) -> Result<Option<Done>, WriteError> {
    let device: DeviceId = app.storage.website_device(target.account()).await?;
    let batch = (device, names.batch);
    let fate = app.storage.batch_fate(target.space(), done.document, batch, Position::START).await?;
    Ok(match fate {
        BatchFate::Appended(at) => Some(Done { place: Place::Appended(at), ..done }),
        BatchFate::Waiting => Some(Done { place: Place::Stored, ..done }),
        BatchFate::Left(outcome) => return Err(not_taken(outcome)),
        BatchFate::Unknown => None,
    })
}

/// As it is kept with the key.
fn encoded(done: &Done) -> Vec<u8> {
    let Done { document, place, is_new } = done;
    let (word, at) = match place {
        Place::Appended(at) => ("appended", at.to_string()),
        Place::Unchanged(at) => ("unchanged", at.to_string()),
        Place::Stored => ("stored", String::new()),
    };
    format!("{document} {} {word} {at}", if *is_new { "new" } else { "old" }).into_bytes()
}

fn decoded(answer: &[u8]) -> Option<Done> {
    let mut words = std::str::from_utf8(answer).ok()?.split(' ');
    let (document, is_new) = (words.next()?.parse().ok()?, words.next()? == "new");
    let (word, at) = (words.next()?, words.next()?.parse::<LogPosition>());
    let place = match (word, at) {
        ("appended", Ok(at)) => Place::Appended(at),
        ("unchanged", Ok(at)) => Place::Unchanged(at),
        ("stored", Err(_)) => Place::Stored,
        _ => return None,
    };
    Some(Done { document, place, is_new })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_answer_reads_back_and_what_is_none_does_not() {
        let at: LogPosition = "0011223344556677:5".parse().unwrap();
        for place in [Place::Appended(at), Place::Unchanged(at), Place::Stored] {
            for is_new in [true, false] {
                let done = Done { document: DocumentId([3; 16]), place, is_new };
                assert_eq!(decoded(&encoded(&done)), Some(done));
            }
        }
        for answer in ["", "x new stored ", "appended"] {
            assert_eq!(decoded(answer.as_bytes()), None, "{answer}");
        }
    }

    #[test]
    fn names_are_those_of_account_key_and_request() {
        let key = |text: &str, fingerprint| Key { text: text.into(), fingerprint: [fingerprint; 32] };
        let (ada, bob) = (AccountId([1; 16]), AccountId([2; 16]));
        let names = Names::derived(ada, &key("k", 1));
        assert_eq!(names, Names::derived(ada, &key("k", 1)));
        for other in
            [Names::derived(bob, &key("k", 1)), Names::derived(ada, &key("l", 1)), Names::derived(ada, &key("k", 2))]
        {
            assert!(other.batch != names.batch && other.document != names.document);
        }
        assert_ne!(names.batch.0, names.document.0);
        assert_ne!(Names::drawn(), Names::drawn());
    }
}
