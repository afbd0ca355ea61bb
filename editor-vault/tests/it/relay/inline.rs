//! The same relay without threads and sockets: frames in, frames out, encoded on the way as on a wire.

use std::collections::VecDeque;

use editor_vault::simulation::{InlineSync, Step};
use sync_core::client::{Effect, Input};
use sync_wire::log::EntryKind;
use sync_wire::{
    BatchId, ChangeHash, DocumentId, Entry, Push, RelayFrame, SpaceId, SpaceKind, decode_device_frame,
    decode_relay_frame, encode_device_frame, encode_relay_frame,
};

use super::{Answer, Session, Shared, Space, State};

/// A relay that nobody serves.
pub(crate) struct InlineRelay {
    shared: Shared,
}

/// One device and its connection.
pub(crate) struct Line {
    sync: InlineSync,
    session: Option<Session>,
    /// Every frame in both directions, as bytes.
    pub(crate) wire: Vec<Vec<u8>>,
}

impl InlineRelay {
    pub(crate) fn new(tokens: &[&str]) -> Self {
        Self { shared: Shared::new(tokens) }
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    /// Answers pushes from now on.
    pub(crate) fn judge(&self, judge: impl Fn(&Push) -> Answer + Send + 'static) {
        self.state().judge = Box::new(judge);
    }

    /// How many entries the log of an account's personal space has.
    pub(crate) fn entries(&self, token: &str) -> usize {
        let account = self.shared.account(token);
        let state = self.state();
        state.spaces.values().filter(|space| space.members.contains(&account)).map(|space| space.entries.len()).sum()
    }

    /// What the log of an account's personal space makes of a document, and the changes that it has of it.
    pub(crate) fn document(&self, token: &str, document: DocumentId) -> (document::Document, Vec<ChangeHash>) {
        let entries = self.in_personal(token, |_, log| {
            let of_it = |entry: &&Entry| entry.document == document && entry.kind == EntryKind::Change;
            log.entries.iter().filter(of_it).map(|entry| (entry.hash, entry.bytes.clone())).collect::<Vec<_>>()
        });
        let changes: Vec<_> = entries.iter().filter_map(|(_, bytes)| bytes.clone()).collect();
        let mut whole = document::Document::new(None);
        whole.apply(&changes).unwrap();
        (whole, entries.iter().map(|(hash, _)| *hash).collect())
    }

    /// A change of a device that no test opens, in the personal space of an account.
    pub(crate) fn append(&self, token: &str, document: DocumentId, change: &document::Change) {
        self.in_personal(token, |_, log| log.append(super::log::entry_of(document, change)));
    }

    /// A space with other people, of which an account is a member.
    pub(crate) fn add_team(&self, token: &str) -> SpaceId {
        let (account, id) = (self.shared.account(token), SpaceId([0x7e; 16]));
        self.state().spaces.insert(id, Space::new(SpaceKind::Team, vec![account]));
        id
    }

    /// A change of a device that no test opens, in a batch of this name.
    pub(crate) fn append_as(&self, space: SpaceId, document: DocumentId, batch: BatchId, change: &document::Change) {
        let entry = Entry { batch, ..super::log::entry_of(document, change) };
        self.state().spaces.get_mut(&space).unwrap().append(entry);
    }

    /// Deletes or restores a document as another device, in the personal space of an account.
    pub(crate) fn append_marker(&self, token: &str, document: DocumentId, kind: EntryKind, heads: &[ChangeHash]) {
        self.in_personal(token, |space, log| log.append_marker(space, document, kind, heads));
    }

    /// Purges a document, as a relay does.
    pub(crate) fn purge(&self, token: &str, document: DocumentId) {
        self.in_personal(token, |space, log| {
            log.append_marker(space, document, EntryKind::Erased, &[]);
            log.clear_bytes(document);
        });
    }

    fn in_personal<T>(&self, token: &str, work: impl FnOnce(SpaceId, &mut Space) -> T) -> T {
        let account = self.shared.account(token);
        let mut state = self.state();
        let found = state.spaces.iter_mut().find(|(_, space)| space.members.contains(&account));
        let (id, space) = found.unwrap();
        work(*id, space)
    }

    /// Feeds an input and lets device and relay talk until both are silent. `before` hears every effect.
    pub(crate) fn talk(&self, line: &mut Line, token: &str, first: Input, before: &mut dyn FnMut(&Effect)) {
        let mut inputs = VecDeque::from([first]);
        loop {
            let Some(input) = inputs.pop_front() else {
                let Some(session) = &mut line.session else { return };
                let delivered = session.deliver(&self.state());
                if delivered.is_empty() {
                    return;
                }
                inputs.extend(delivered.into_iter().map(|frame| line.carry(&frame)));
                continue;
            };
            let (mut sent, mut connects) = (Vec::new(), None);
            line.sync.handle(input, &mut |step| match step {
                Step::Performing(effect) => before(effect),
                Step::Connect => connects = Some(true),
                Step::Disconnect => connects = Some(false),
                Step::Send(frame) => sent.push(encode_device_frame(&frame)),
            });
            if let Some(connects) = connects {
                line.session = connects.then(|| Session::of(self.shared.account(token)));
                inputs.extend(connects.then_some(Input::Connected));
            }
            for bytes in sent {
                let frame = decode_device_frame(&bytes).unwrap().unwrap();
                line.wire.push(bytes);
                let answers = line.session.as_mut().map(|session| session.on_frame(&self.shared, frame));
                inputs.extend(answers.into_iter().flatten().map(|frame| line.carry(&frame)));
            }
        }
    }
}

impl Line {
    pub(crate) fn new(sync: InlineSync) -> Self {
        Self { sync, session: None, wire: Vec::new() }
    }

    pub(crate) fn sync(&self) -> &InlineSync {
        &self.sync
    }

    fn carry(&mut self, frame: &RelayFrame) -> Input {
        let bytes = encode_relay_frame(frame);
        let frame = decode_relay_frame(&bytes).unwrap().unwrap();
        self.wire.push(bytes);
        Input::Frame(frame)
    }
}
