//! What a space of that relay has: its log, dense and chained, and snapshots that a test asked for.

use std::collections::BTreeMap;

use sync_wire::log::{EntryIdentity, EntryKind, marker_hash};
use sync_wire::*;

pub(super) const SALT: Salt = Salt([7; 32]);
pub(super) const EPOCH: Epoch = Epoch([1; 8]);

pub(crate) struct Space {
    pub(super) members: Vec<AccountId>,
    pub(super) kind: SpaceKind,
    pub(super) entries: Vec<Entry>,
    pub(super) chains: Vec<Chain>,
    pub(super) snapshots: BTreeMap<DocumentId, (Position, document::Snapshot)>,
}

impl Space {
    pub(super) fn new(kind: SpaceKind, members: Vec<AccountId>) -> Self {
        Self { members, kind, entries: Vec::new(), chains: vec![Chain::START], snapshots: BTreeMap::new() }
    }

    pub(super) fn append(&mut self, entry: Entry) {
        let Entry { kind, document, hash, device, batch, .. } = entry;
        let digest = EntryIdentity { kind, document, hash, device, batch }.digest(&SALT);
        self.chains.push(self.chains.last().unwrap().extend(&digest));
        self.entries.push(entry);
    }

    /// Deletes or restores a document as another device, or purges it as the relay; `id` is the space's.
    pub(super) fn append_marker(&mut self, id: SpaceId, document: DocumentId, kind: EntryKind, heads: &[ChangeHash]) {
        let number = self.entries.len().to_le_bytes();
        let batch = BatchId([number, number].concat().try_into().unwrap());
        let hash = marker_hash(kind, id, document, batch, heads);
        let heads = (kind == EntryKind::Tombstone).then(|| heads.to_vec());
        self.append(Entry { kind, document, hash, device: DeviceId([99; 16]), batch, bytes: None, heads });
    }

    /// Forgets the bytes of the changes of a document.
    pub(super) fn clear_bytes(&mut self, document: DocumentId) {
        self.entries.iter_mut().filter(|entry| entry.document == document).for_each(|entry| entry.bytes = None);
    }

    pub(super) fn end(&self) -> LogPosition {
        LogPosition { epoch: EPOCH, position: Position(self.entries.len() as u64) }
    }

    /// The change at fault because of which a void excludes this one.
    pub(super) fn culprit(&self, hash: &ChangeHash) -> Option<ChangeHash> {
        let voids = self.entries.iter().filter(|entry| entry.kind == EntryKind::Void);
        let mut voids = voids.map(|entry| Void::decode(entry.bytes.as_ref().unwrap()).unwrap());
        let void = voids.find(|void| void.changes().any(|change| change == *hash))?;
        Some(void.excluded[0])
    }

    /// The change at fault that something of a push rests on.
    pub(super) fn excluded_below(&self, push: &Push) -> Option<ChangeHash> {
        let Content::Changes(changes) = &push.content else { return None };
        let deps =
            changes.iter().filter_map(|bytes| document::Header::parse(bytes).ok()).flat_map(|header| header.deps);
        deps.into_iter().find_map(|dep| self.culprit(&dep))
    }

    /// Whether the log has another change with the actor and number of one of these.
    pub(super) fn has_another(&self, push: &Push) -> bool {
        let Content::Changes(changes) = &push.content else { return false };
        let name = |bytes: &Blob| document::Header::parse(bytes).map(|header| (header.actor, header.seq, header.hash));
        let new: Vec<_> = changes.iter().filter_map(|bytes| name(bytes).ok()).collect();
        let old = self.entries.iter().filter(|entry| entry.document == push.document);
        old.filter_map(|entry| name(entry.bytes.as_ref()?).ok())
            .any(|old| new.iter().any(|new| (new.0, new.1) == (old.0, old.1) && new.2 != old.2))
    }

    pub(super) fn take(&mut self, id: SpaceId, device: DeviceId, push: &Push) {
        let entry = |kind, hash, bytes: Option<Blob>, heads| Entry {
            kind,
            document: push.document,
            hash,
            device,
            batch: push.batch,
            bytes,
            heads,
        };
        let marker = |kind, heads: &[ChangeHash]| marker_hash(kind, id, push.document, push.batch, heads);
        let new: Vec<Entry> = match &push.content {
            Content::Changes(changes) => changes
                .iter()
                .map(|bytes| {
                    entry(EntryKind::Change, document::Header::parse(bytes).unwrap().hash, Some(bytes.clone()), None)
                })
                .collect(),
            Content::Tombstone(heads) => {
                let is_here = |head| self.entries.iter().any(|one| one.document == push.document && one.hash == head);
                assert!(!heads.is_empty(), "a deletion that names no heads");
                assert!(heads.iter().all(|head| is_here(*head)), "a deletion names what a relay would have to ask for");
                vec![entry(EntryKind::Tombstone, marker(EntryKind::Tombstone, heads), None, Some(heads.clone()))]
            }
            Content::Restore => vec![entry(EntryKind::Restore, marker(EntryKind::Restore, &[]), None, None)],
        };
        for entry in new {
            let known = |old: &Entry| old.document == entry.document && old.hash == entry.hash;
            if !self.entries.iter().any(known) {
                self.append(entry);
            }
        }
    }
}

/// A change of a device that no test opens.
pub(super) fn entry_of(document: DocumentId, change: &document::Change) -> Entry {
    Entry {
        kind: EntryKind::Change,
        document,
        hash: change.header.hash,
        device: DeviceId([99; 16]),
        batch: BatchId(change.header.hash.0[..16].try_into().unwrap()),
        bytes: Some(change.bytes.clone()),
        heads: None,
    }
}
