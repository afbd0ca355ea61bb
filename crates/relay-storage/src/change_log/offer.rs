//! Entries that a device gives back to a log that lost its end: a restored backup, or a replaced relay.
//!
//! A receipt of this relay for the end of a run proves that its log once had exactly these entries. If the log's end
//! lies on the run, they are appended as they were, at their old positions. Otherwise the log has gone another way
//! since, and what it lacks is appended at its end, in a new epoch: `epoch:position` never means two things
//! (PROTOCOL §6).

use document::Change;
use rusqlite::{Connection, OptionalExtension, params};
use sync_wire::log::{EntryIdentity, EntryKind, marker_hash};
use sync_wire::planted::{self, Bug};
use sync_wire::{
    AccountId, BatchId, Chain, Checkpoint, DeviceId, DocumentId, Entry, Epoch, FateCode, LogPosition, Position, Role,
    Run, SpaceId, SpaceKind, Void,
};

use super::purge::RELAY;
use super::read::chain_at;
use super::state::Space;
use super::{
    AppendRequest, AppendVoidError, BatchContent, Check, MadeBy, NewVoid, Outcome, ParsedBatch, log_end, log_key,
};
use crate::accounts::{account_key, bind_offered};
use crate::error::{StorageError, storage_arm};
use crate::options::random_bytes;
use crate::spaces::{RoleRead, kind_from_code};
use crate::storage::{Reader, Storage, Writer};

/// What became of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// How many of its entries were new to the log and are in it now.
    pub entries: u64,
    /// Where the log ends now.
    pub end: LogPosition,
    /// Whether the space began a new epoch.
    pub epoch: TakenEpoch,
    /// Documents that grew, each with its new entries.
    pub documents: Vec<(DocumentId, u64)>,
    /// Batches that could not be taken, with the first reason.
    pub left_out: Vec<(BatchId, Outcome)>,
}

/// The epoch of a log after a run was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenEpoch {
    /// The one before.
    Same,
    /// Another one: the log has gone another way than the run.
    New,
}

/// Why a run was not taken unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Inexact {
    /// The log does not go on with it, or a rule is broken.
    #[error("the log does not go on with this run")]
    Diverged,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
storage_arm!(Inexact);

/// A run whose entries were parsed.
#[derive(Debug, Clone)]
struct Parsed {
    run: Run,
    groups: Vec<Group>,
}

/// Entries of one batch.
#[derive(Debug, Clone)]
struct Group {
    document: DocumentId,
    device: DeviceId,
    batch: BatchId,
    len: usize,
    /// What they say; none if that cannot be read.
    says: Option<Says>,
}

#[derive(Debug, Clone)]
enum Says {
    Batch(BatchContent),
    Void(NewVoid),
}

impl Storage {
    /// The highest of these places that is one of the log, and where the log ends; `None` if there is no such space.
    /// Chains tell, not epochs: the same chain is the same log.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn common_place(
        &self,
        space: SpaceId,
        checkpoints: Vec<Checkpoint>,
    ) -> Result<Option<(Checkpoint, LogPosition)>, StorageError> {
        self.read(move |reader| reader.common_place(space, &checkpoints)).await
    }

    /// Takes back entries that an account's device offers, unchanged if the log goes on with them, else what the log
    /// lacks of them. What it has already is passed over, so that any number of devices may offer in any order.
    ///
    /// With a receipt that verifies, reading the space is enough, and whoever calls must have made sure of that.
    /// Without one, only entries of the account's own devices in its personal space are taken, and only if it may write
    /// there.
    ///
    /// # Errors
    /// [`StorageError`]: nothing of it is known to have happened; offering again is safe.
    pub async fn take_run(&self, account: AccountId, space: SpaceId, run: Run) -> Result<Taken, StorageError> {
        let parsed = std::sync::Arc::new(Parsed::new(space, run));
        let again = std::sync::Arc::clone(&parsed);
        match self.write(move |writer| writer.take_unchanged(account, space, &parsed)).await {
            Ok(taken) => Ok(taken),
            Err(Inexact::Storage(error)) => Err(error),
            Err(Inexact::Diverged) => self.write(move |writer| writer.take_lacking(account, space, &again)).await,
        }
    }
}

impl Reader {
    fn common_place(
        &self,
        space: SpaceId,
        checkpoints: &[Checkpoint],
    ) -> Result<Option<(Checkpoint, LogPosition)>, StorageError> {
        let Some(log) = log_end(&self.connection, space)? else { return Ok(None) };
        for checkpoint in checkpoints.iter().rev().filter(|checkpoint| checkpoint.position <= log.end.position) {
            if chain_at(&self.connection, log.space_key, checkpoint.position)? == Some(checkpoint.chain) {
                return Ok(Some((*checkpoint, log.end)));
            }
        }
        Ok(Some((Checkpoint { position: Position::START, chain: Chain::START }, log.end)))
    }
}

impl Parsed {
    fn new(space: SpaceId, run: Run) -> Self {
        let mut groups = Vec::new();
        let mut rest = &run.entries[..];
        while let Some(first) = rest.first() {
            let (entries, behind) = rest.split_at(length_of_batch(first, rest));
            groups.push(Group::new(space, entries));
            rest = behind;
        }
        Self { run, groups }
    }

    fn digests(&self, space: &Space) -> Vec<[u8; 32]> {
        let digest = |entry: &Entry| {
            let Entry { kind, document, hash, device, batch, .. } = *entry;
            EntryIdentity { kind, document, hash, device, batch }.digest(&space.salt)
        };
        self.run.entries.iter().map(digest).collect()
    }
}

/// How many entries belong to the batch of the first. Behind a void come its replacements, each of its own device.
fn length_of_batch(first: &Entry, entries: &[Entry]) -> usize {
    let of_void = first.bytes.as_ref().filter(|_| first.kind == EntryKind::Void);
    let replacements: Vec<_> =
        of_void.and_then(|bytes| Void::decode(bytes).ok()).iter().flat_map(Void::replacements).collect();
    let is_same = |entry: &&Entry| {
        let is_of_void = entry.kind == EntryKind::Change && replacements.contains(&entry.hash);
        (entry.batch, entry.document) == (first.batch, first.document) && (entry.device == first.device || is_of_void)
    };
    entries.iter().take_while(is_same).count()
}

impl Group {
    fn new(space: SpaceId, entries: &[Entry]) -> Self {
        let first = &entries[0];
        Self {
            document: first.document,
            device: first.device,
            batch: first.batch,
            len: entries.len(),
            says: says(space, entries),
        }
    }

    fn request(&self, space: &Space, account: AccountId, grant: RoleRead) -> Option<AppendRequest> {
        let Some(Says::Batch(content)) = self.says.clone() else { return None };
        let batch = ParsedBatch { id: self.batch, content };
        let (document, device) = (self.document, self.device);
        Some(AppendRequest {
            space: space.id,
            document,
            account,
            device,
            grant,
            made_by: MadeBy::Device,
            check: Check::Pending,
            batches: vec![batch],
        })
    }
}

/// What a batch says, if its entries are what their hashes say.
fn says(space: SpaceId, entries: &[Entry]) -> Option<Says> {
    let first = entries.first()?;
    if first.kind == EntryKind::Void {
        void(space, entries).map(Says::Void)
    } else {
        content(space, entries).map(Says::Batch)
    }
}

fn void(space: SpaceId, entries: &[Entry]) -> Option<NewVoid> {
    let [first, rest @ ..] = entries else { return None };
    let payload = first.bytes.as_ref()?;
    let (void, document) = (Void::decode(payload).ok()?, first.document);
    let is_itself = Void::batch(payload, space, document) == first.batch
        && Void::hash(payload, space, document, first.batch) == first.hash
        && void.encode() == *payload;
    let replacements: Vec<Change> =
        rest.iter().map(|entry| Change::parse(entry.bytes.clone()?).ok()).collect::<Option<_>>()?;
    is_itself.then_some(NewVoid { space, document, void, replacements, reasons: Vec::new() })
}

fn content(space: SpaceId, entries: &[Entry]) -> Option<BatchContent> {
    let [first, rest @ ..] = entries else { return None };
    if first.kind == EntryKind::Change {
        let parse = |entry: &Entry| {
            let change = Change::parse(entry.bytes.clone()?).ok()?;
            (entry.kind == EntryKind::Change && change.hash() == entry.hash).then_some(change)
        };
        return entries.iter().map(parse).collect::<Option<Vec<_>>>().map(BatchContent::Changes);
    }
    let heads = first.heads.clone().unwrap_or_default();
    let is_itself = marker_hash(first.kind, space, first.document, first.batch, &heads) == first.hash;
    match first.kind {
        EntryKind::Tombstone if rest.is_empty() && is_itself => Some(BatchContent::Tombstone { heads }),
        EntryKind::Restore if rest.is_empty() && is_itself => Some(BatchContent::Restore),
        _ => None,
    }
}

/// Whoever is vouched for writes as he did then.
const VOUCHED: RoleRead = RoleRead { role: Role::Owner, access_version: 0, kind: SpaceKind::Personal };
/// Matches no version, so that the role is read where the entries are appended.
pub(super) const UNREAD: RoleRead =
    RoleRead { role: Role::Viewer, access_version: u64::MAX, kind: SpaceKind::Personal };

impl Writer {
    /// Appends the run as it was, if the log goes on with it.
    fn take_unchanged(&mut self, account: AccountId, space: SpaceId, parsed: &Parsed) -> Result<Taken, Inexact> {
        let space = self.log.space(&self.connection, space)?.ok_or(Inexact::Diverged)?;
        let digests = parsed.digests(&space);
        let (run, before) = (&parsed.run, space.end);
        if run.epoch != space.epoch || !self.is_vouched(&space, run, &digests) || run.after.0 > space.end {
            return Err(Inexact::Diverged);
        }
        let voucher = run.voucher.ok_or(Inexact::Diverged)?;
        if chain_at(&self.connection, space.key, run.after)? != Some(voucher.before)
            || !goes_along(&self.connection, &space, run.after, &digests)?
        {
            return Err(Inexact::Diverged);
        }
        let mut taken = Taken::nothing(&space);
        let mut at = run.after.0;
        for group in &parsed.groups {
            let from = at;
            at += group.len as u64;
            if at <= before {
                continue;
            }
            let appended = if from < before { None } else { self.append_vouched(&space, account, group)? };
            match appended {
                Some(Outcome::Appended { entries, .. }) if entries == group.len => taken.add(group, entries),
                _ => {
                    self.log.forget_all(); // its rows are taken back
                    return Err(Inexact::Diverged);
                }
            }
        }
        let now = self.log.space(&self.connection, space.id)?.ok_or(Inexact::Diverged)?;
        if taken.entries > 0 && (now.end, now.chain) != (run.upto.0, voucher.chain) {
            self.log.forget_all();
            return Err(Inexact::Diverged);
        }
        taken.end.position = Position(now.end);
        Ok(taken)
    }

    /// Appends what the log lacks of a run at its end, in a new epoch if the run is of this one.
    fn take_lacking(&mut self, account: AccountId, space: SpaceId, parsed: &Parsed) -> Result<Taken, StorageError> {
        let Some(space) = self.log.space(&self.connection, space)? else {
            return Err(StorageError::Unexpected { detail: format!("space {space} is gone") });
        };
        let is_vouched = self.is_vouched(&space, &parsed.run, &parsed.digests(&space));
        let mut taken = Taken::nothing(&space);
        let is_personal = self.kind_of(&space)? == SpaceKind::Personal;
        for group in &parsed.groups {
            let outcome = match (is_vouched, is_personal) {
                (true, _) => self.append_vouched(&space, account, group)?,
                (false, true) => match group.request(&space, account, UNREAD) {
                    Some(request) => self.append(&[request])?.pop().and_then(|mut each| each.pop()).map(|(_, it)| it),
                    None => None,
                },
                (false, false) => None,
            };
            match outcome {
                Some(Outcome::Appended { entries, .. }) => taken.add(group, entries),
                outcome => taken.left_out.push((group.batch, outcome.unwrap_or_else(|| self.cannot_tell()))),
            }
        }
        if parsed.run.epoch == space.epoch && (taken.entries > 0 || is_vouched) {
            taken.epoch = TakenEpoch::New;
            self.begin_epoch(space.id)?;
        }
        if let Some(now) = self.log.space(&self.connection, space.id)? {
            taken.end = LogPosition { epoch: now.epoch, position: Position(now.end) };
        }
        Ok(taken)
    }

    /// Whether this relay gave a receipt for exactly these entries.
    fn is_vouched(&self, space: &Space, run: &Run, digests: &[[u8; 32]]) -> bool {
        let Some(voucher) = &run.voucher else { return false };
        let is_whole = run.upto.0.checked_sub(run.after.0) == Some(digests.len() as u64);
        let chain = digests.iter().fold(voucher.before, |chain, digest| chain.extend(digest));
        let keys = &self.context.receipt_keys;
        is_whole
            && chain == voucher.chain
            && (keys.verifies(&voucher.receipt, space.id, run.epoch, run.upto, &voucher.chain)
                || planted::is(Bug::ReceiptBelieved))
    }

    /// Appends a batch that was in the log once, for its device of record, whatever became of its grant. `None` if
    /// nobody knows whose device that is, or what the batch says.
    fn append_vouched(
        &mut self,
        space: &Space,
        offering: AccountId,
        group: &Group,
    ) -> Result<Option<Outcome>, StorageError> {
        if let Some(Says::Void(new)) = &group.says {
            return self.append_vouched_void(new);
        }
        let Some(account_key) = self.account_of(space, offering, group.device)? else { return Ok(None) };
        let Some(request) = group.request(space, offering, VOUCHED) else { return Ok(None) };
        let outcomes = self.append_as(&request, Some(account_key))?;
        Ok(outcomes.into_iter().next().map(|(_, outcome)| outcome))
    }

    /// A person decided on it once. If the log has gone another way since, and what it excludes is not what rests there
    /// now, a person decides again.
    fn append_vouched_void(&mut self, new: &NewVoid) -> Result<Option<Outcome>, StorageError> {
        match self.append_void(new) {
            Ok(voided) => Ok(Some(Outcome::Appended { at: voided.at, entries: voided.entries, proof: None })),
            Err(AppendVoidError::Storage(error)) => Err(error),
            Err(error) => {
                let judged_by = self.context.limits.version;
                Ok(Some(Outcome::Parked { code: FateCode::HELD, judged_by, detail: error.to_string() }))
            }
        }
    }

    /// The account of a device. One that is unknown, because it was bound after the backup, is the account's own in its
    /// personal space, and bound to it again; elsewhere it has to connect first.
    fn account_of(&self, space: &Space, offering: AccountId, device: DeviceId) -> Result<Option<i64>, StorageError> {
        let mut statement = self.connection.prepare_cached("SELECT account_key FROM devices WHERE id = ?1")?;
        let bound = statement.query_row([device.0], |row| row.get::<_, Option<i64>>(0)).optional()?.flatten();
        if bound.is_some() || self.kind_of(space)? != SpaceKind::Personal {
            return Ok(bound);
        }
        let account_key = account_key(&self.connection, offering)?;
        if let Some(account_key) = account_key.filter(|_| device != RELAY) {
            bind_offered(&self.connection, account_key, device, (self.context.clock)())?;
        }
        Ok(account_key)
    }

    fn kind_of(&self, space: &Space) -> Result<SpaceKind, StorageError> {
        let mut statement = self.connection.prepare_cached("SELECT kind FROM spaces WHERE space_key = ?1")?;
        Ok(statement.query_row([space.key], |row| kind_from_code(row, 0))?)
    }

    fn begin_epoch(&mut self, space: SpaceId) -> Result<(), StorageError> {
        let Some(mut space) = self.log.space(&self.connection, space)? else { return Ok(()) };
        space.epoch = Epoch(random_bytes(&self.context.random));
        self.connection
            .prepare_cached("UPDATE spaces SET epoch = ?2 WHERE space_key = ?1")?
            .execute(params![space.key, space.epoch.0])?;
        self.log.put_space(&space);
        Ok(())
    }

    fn cannot_tell(&self) -> Outcome {
        let detail = "offered without a receipt of this relay, or by a device that it does not know".to_owned();
        Outcome::Parked { code: FateCode::DEVICE, judged_by: self.context.judged_by(&self.connection), detail }
    }
}

impl Taken {
    fn nothing(space: &Space) -> Self {
        let end = LogPosition { epoch: space.epoch, position: Position(space.end) };
        Self { entries: 0, end, epoch: TakenEpoch::Same, documents: Vec::new(), left_out: Vec::new() }
    }

    fn add(&mut self, group: &Group, entries: usize) {
        let entries = entries as u64;
        if entries == 0 {
            return;
        }
        self.entries += entries;
        match self.documents.iter_mut().find(|(document, _)| *document == group.document) {
            Some((_, count)) => *count += entries,
            None => self.documents.push((group.document, entries)),
        }
    }
}

/// Whether the log has the same entries as the run after `after`, as far as it goes.
fn goes_along(
    connection: &Connection,
    space: &Space,
    after: Position,
    digests: &[[u8; 32]],
) -> Result<bool, StorageError> {
    let mut statement =
        connection.prepare_cached("SELECT digest FROM log WHERE log_key > ?1 AND log_key <= ?2 ORDER BY log_key")?;
    let upto = space.end.min(after.0 + digests.len() as u64);
    let mut rows = statement.query(params![log_key(space.key, after.0), log_key(space.key, upto)])?;
    let mut digests = digests.iter();
    while let Some(row) = rows.next()? {
        if digests.next() != Some(&row.get::<_, [u8; 32]>(0)?) {
            return Ok(false);
        }
    }
    Ok(true)
}
