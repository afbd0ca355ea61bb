//! What the writer remembers between groups: the frontiers of documents written lately, and whose actors are.
//!
//! All of it is derived: it is dropped whole after a failure, and per space when another process has appended there.

use std::collections::HashMap;
use std::collections::btree_map::{BTreeMap, Entry};

use rusqlite::{Connection, OptionalExtension, params};
use sync_wire::{AccountId, Actor, Chain, DeviceId, DocumentId, Epoch, LogPosition, Position, Salt, SpaceId};

use super::Outcome;
use super::fates::{NewFate, Place, Shelf};
use super::frontier::{Frontier, unsigned};
use crate::accounts::Usage;
use crate::error::StorageError;
use crate::options::Limits;
use crate::storage::{Context, Writer};

/// Owners of actors that are remembered; beyond that all are read again.
const ACTORS_MAX: usize = 65_536;

/// The writer's memory of the logs.
pub(crate) struct LogState {
    bytes_max: usize,
    /// The spaces of the current group; in order, because that is the order in which their rows are written.
    spaces: BTreeMap<SpaceId, Space>,
    /// Who pushes, as of the current group: the key of the account, and whether the device may write for it.
    pushers: BTreeMap<(AccountId, DeviceId), Option<(i64, bool)>>,
    /// What they have in logs, as of now.
    usages: BTreeMap<i64, GroupUsage>,
    /// Where the logs ended after the last group of ours.
    ends: HashMap<i64, u64>,
    documents: HashMap<(i64, DocumentId), Cached>,
    /// Documents whose rows are behind their frontier.
    touched: Vec<(i64, DocumentId)>,
    actors: HashMap<(i64, Actor), Owner>,
    /// What is kept of refused changes.
    shelf: Shelf,
    /// Whether the current group stored something in the intake.
    has_stored: bool,
    /// Of all remembered frontiers.
    bytes: usize,
    uses: u64,
}

struct Cached {
    frontier: Frontier,
    bytes: usize,
    used: u64,
}

/// A space within one group.
#[derive(Debug, Clone)]
pub(super) struct Space {
    pub(super) key: i64,
    pub(super) id: SpaceId,
    pub(super) epoch: Epoch,
    pub(super) salt: Salt,
    pub(super) access_version: u64,
    pub(super) end: u64,
    pub(super) chain: Chain,
    pub(super) is_touched: bool,
}

impl Space {
    /// The outcome of what is in its log already.
    pub(super) fn known(&self, position: u64) -> Outcome {
        let at = LogPosition { epoch: self.epoch, position: Position(position) };
        Outcome::Appended { at, entries: 0, proof: None }
    }
}

/// What an account has in logs, within one group.
#[derive(Debug)]
pub(super) struct GroupUsage {
    usage: Usage,
    is_touched: bool,
}

impl GroupUsage {
    pub(super) fn room(&self, limits: &Limits) -> u64 {
        self.usage.room(limits)
    }

    pub(super) fn add(&mut self, bytes: u64) {
        self.usage.bytes += bytes;
        self.is_touched = true;
    }

    pub(super) fn subtract(&mut self, bytes: u64) {
        self.usage.bytes = self.usage.bytes.saturating_sub(bytes);
        self.is_touched = true;
    }
}

/// Whose an actor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) actor_key: i64,
    /// Absent for the actors of seeds.
    pub(super) account_key: Option<i64>,
    /// Absent where every device of the account may write under it.
    pub(super) device: Option<DeviceId>,
}

/// The key of an account, and its device, or none for all that it has.
pub(super) type Holder = (i64, Option<DeviceId>);

impl Owner {
    /// Whether it is not this holder's.
    pub(super) fn is_another_than(&self, holder: Option<Holder>) -> bool {
        let (account_key, device) = holder.unzip();
        let is_of_other_device = self.device.zip(device.flatten()).is_some_and(|(own, other)| own != other);
        self.account_key != account_key || is_of_other_device
    }
}

impl LogState {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            spaces: BTreeMap::new(),
            pushers: BTreeMap::new(),
            usages: BTreeMap::new(),
            ends: HashMap::new(),
            documents: HashMap::new(),
            touched: Vec::new(),
            actors: HashMap::new(),
            shelf: Shelf::default(),
            has_stored: false,
            bytes: 0,
            uses: 0,
        }
    }

    /// A group begins: spaces are read again, because other processes change them.
    pub(crate) fn begin(&mut self) {
        self.spaces.clear();
        self.has_stored = false;
        self.forget_pushers();
    }

    /// A batch came into the intake.
    pub(super) fn note_stored(&mut self) {
        self.has_stored = true;
    }

    /// For the planted bug that says so too early.
    pub(crate) fn has_stored(&self) -> bool {
        self.has_stored
    }

    /// A job of the group may change accounts or devices.
    pub(crate) fn forget_pushers(&mut self) {
        self.pushers.clear();
        self.usages.clear();
    }

    /// What an account has in logs, with what this group has appended.
    pub(super) fn usage(&mut self, connection: &Connection, account_key: i64) -> Result<&mut GroupUsage, StorageError> {
        Ok(match self.usages.entry(account_key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let usage = Usage::read(connection, account_key)?;
                unknown.insert(GroupUsage { usage, is_touched: false })
            }
        })
    }

    /// The key of an account, if there is one, and whether the device may write for it.
    pub(super) fn pusher(
        &mut self,
        connection: &Connection,
        account: AccountId,
        device: DeviceId,
    ) -> Result<Option<(i64, bool)>, StorageError> {
        if let Some(known) = self.pushers.get(&(account, device)) {
            return Ok(*known);
        }
        let mut statement = connection.prepare_cached(
            "SELECT a.account_key, d.account_key IS NULL OR (d.account_key = a.account_key AND d.revoked_at IS NULL)
             FROM accounts a LEFT JOIN devices d ON d.id = ?2 WHERE a.id = ?1",
        )?;
        let found = statement.query_row(params![account.0, device.0], |row| Ok((row.get(0)?, row.get(1)?)));
        let found = found.optional()?;
        self.pushers.insert((account, device), found);
        Ok(found)
    }

    /// The group is durable: what it used longest ago makes room.
    pub(crate) fn committed(&mut self) {
        self.ends.extend(self.spaces.values().map(|space| (space.key, space.end)));
        if self.actors.len() > ACTORS_MAX {
            self.actors.clear();
        }
        if self.bytes <= self.bytes_max {
            return;
        }
        let mut oldest: Vec<_> = self.documents.iter().map(|(key, cached)| (cached.used, *key)).collect();
        oldest.sort_unstable_by_key(|(used, _)| *used);
        for (_, key) in oldest {
            // Down to half, so that this sweep is rare.
            if self.bytes <= self.bytes_max / 2 {
                break;
            }
            self.bytes -= self.documents.remove(&key).map_or(0, |cached| cached.bytes);
        }
    }

    /// Forgets everything: after a failure, memory and rows may differ.
    pub(crate) fn forget_all(&mut self) {
        *self = Self::new(self.bytes_max);
    }

    /// Changes what is remembered of a document, if it is.
    pub(super) fn with_frontier(&mut self, space_key: i64, document: DocumentId, change: impl FnOnce(&mut Frontier)) {
        if let Some(cached) = self.documents.get_mut(&(space_key, document)) {
            change(&mut cached.frontier);
        }
    }

    /// A log has grown: the rest of the group goes on from there, and its end writes the row.
    pub(super) fn put_space(&mut self, space: &Space) {
        self.spaces.insert(space.id, Space { is_touched: true, ..space.clone() });
    }

    /// Keeps what became of a change, for ever.
    pub(super) fn keep_fate(
        &mut self,
        connection: &Connection,
        context: &Context,
        place: Place,
        fate: &NewFate<'_>,
    ) -> Result<(), StorageError> {
        self.shelf.keep(connection, context, place, fate)
    }

    /// Bytes of refused changes were dropped: how many are left is counted again.
    pub(super) fn forget_shelf(&mut self) {
        self.shelf.forget();
    }

    /// The space as it is in this group.
    pub(super) fn space(&mut self, connection: &Connection, id: SpaceId) -> Result<Option<Space>, StorageError> {
        if let Some(space) = self.spaces.get(&id) {
            return Ok(Some(space.clone()));
        }
        let Some(space) = read_space(connection, id)? else { return Ok(None) };
        if self.ends.get(&space.key).is_some_and(|end| *end != space.end) {
            // Another process appended: our frontiers of this space are behind.
            self.documents.retain(|(space_key, _), _| *space_key != space.key);
            self.bytes = self.documents.values().map(|cached| cached.bytes).sum();
        }
        self.spaces.insert(id, space.clone());
        Ok(Some(space))
    }

    /// Takes the frontier of a document out, for one request; [`Self::put_frontier`] brings it back.
    pub(super) fn take_frontier(
        &mut self,
        connection: &Connection,
        space_key: i64,
        document: DocumentId,
    ) -> Result<Frontier, StorageError> {
        match self.documents.remove(&(space_key, document)) {
            Some(cached) => {
                self.bytes -= cached.bytes;
                Ok(cached.frontier)
            }
            None => Frontier::load(connection, space_key, document),
        }
    }

    pub(super) fn put_frontier(&mut self, space_key: i64, document: DocumentId, frontier: Frontier) {
        if frontier.document_key.is_none() {
            return; // nothing was appended: there is nothing to remember
        }
        self.uses += 1;
        let bytes = frontier.bytes_estimate();
        self.bytes += bytes;
        self.documents.insert((space_key, document), Cached { frontier, bytes, used: self.uses });
    }

    pub(super) fn touch(&mut self, space_key: i64, document: DocumentId) {
        self.touched.push((space_key, document));
    }

    /// Whose an actor is in a space; `None` before its first use.
    pub(super) fn owner(
        &mut self,
        connection: &Connection,
        space_key: i64,
        actor: Actor,
    ) -> Result<Option<Owner>, StorageError> {
        if let Some(owner) = self.actors.get(&(space_key, actor)) {
            return Ok(Some(*owner));
        }
        let mut statement = connection
            .prepare_cached("SELECT actor_key, account_key, device FROM actors WHERE space_key = ?1 AND actor = ?2")?;
        let owner = statement.query_row(params![space_key, actor.0], |row| {
            let device = row.get::<_, Option<[u8; 16]>>(2)?.map(DeviceId);
            Ok(Owner { actor_key: row.get(0)?, account_key: row.get(1)?, device })
        });
        let owner = owner.optional()?;
        self.actors.extend(owner.map(|owner| ((space_key, actor), owner)));
        Ok(owner)
    }

    /// Gives an actor its owner, at its first use.
    pub(super) fn bind(
        &mut self,
        connection: &Connection,
        space_key: i64,
        actor: Actor,
        holder: Option<Holder>,
    ) -> Result<Owner, StorageError> {
        let (account_key, device) = holder.unzip();
        let device = device.flatten();
        let mut statement = connection
            .prepare_cached("INSERT INTO actors (space_key, actor, account_key, device) VALUES (?1, ?2, ?3, ?4)")?;
        let actor_key = statement.insert(params![space_key, actor.0, account_key, device.map(|device| device.0)])?;
        let owner = Owner { actor_key, account_key, device };
        self.actors.insert((space_key, actor), owner);
        Ok(owner)
    }

    /// Gives an actor back to the owner that it had before the log forgot it.
    pub(super) fn bind_again(
        &mut self,
        connection: &Connection,
        space_key: i64,
        actor: Actor,
        (account_key, device): (i64, DeviceId),
    ) -> Result<(), StorageError> {
        let Some(owner) = self.owner(connection, space_key, actor)? else { return Ok(()) };
        let first = Owner { account_key: Some(account_key), device: Some(device), ..owner };
        // No owner: it is the actor of a seed.
        if owner.account_key.is_none() || owner == first {
            return Ok(());
        }
        let mut statement =
            connection.prepare_cached("UPDATE actors SET account_key = ?2, device = ?3 WHERE actor_key = ?1")?;
        statement.execute(params![owner.actor_key, account_key, device.0])?;
        self.actors.insert((space_key, actor), first);
        Ok(())
    }
}

fn read_space(connection: &Connection, id: SpaceId) -> Result<Option<Space>, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT space_key, epoch, salt, access_version, end_position, chain FROM spaces WHERE id = ?1",
    )?;
    let space = statement.query_row([id.0], |row| {
        Ok(Space {
            key: row.get(0)?,
            id,
            epoch: Epoch(row.get(1)?),
            salt: Salt(row.get(2)?),
            access_version: unsigned(row, 3)?,
            end: unsigned(row, 4)?,
            chain: Chain(row.get(5)?),
            is_touched: false,
        })
    });
    Ok(space.optional()?)
}

impl LogState {
    /// Writes what the group appended into the rows of its spaces and documents, each once.
    pub(crate) fn flush(&mut self, connection: &Connection) -> Result<(), StorageError> {
        for space in self.spaces.values_mut().filter(|space| space.is_touched) {
            let mut statement =
                connection.prepare_cached("UPDATE spaces SET end_position = ?2, chain = ?3 WHERE space_key = ?1")?;
            statement.execute(params![space.key, space.end.cast_signed(), space.chain.0])?;
            space.is_touched = false;
        }
        for (account_key, usage) in self.usages.iter_mut().filter(|(_, usage)| usage.is_touched) {
            usage.usage.store_bytes(connection, *account_key)?;
            usage.is_touched = false;
        }
        for key in self.touched.drain(..) {
            if let Some(cached) = self.documents.get_mut(&key) {
                store(connection, &mut cached.frontier)?;
                cached.frontier.is_touched = false;
            }
        }
        Ok(())
    }
}

const STORE: &str =
    "UPDATE documents SET type = ?2, last_position = ?3, checked_position = max(checked_position, ?4), entries = ?5,
            ops = ?6, bytes = ?7, deleted = ?8 WHERE document_key = ?1";
const STORE_ALL: &str =
    "UPDATE documents SET type = ?2, last_position = ?3, checked_position = max(checked_position, ?4), entries = ?5,
            ops = ?6, bytes = ?7, deleted = ?8, frontier_position = ?3, frontier = ?9 WHERE document_key = ?1";

pub(super) fn store(connection: &Connection, frontier: &mut Frontier) -> Result<(), StorageError> {
    let is_worth_storing = frontier.is_worth_storing();
    let mut statement = connection.prepare_cached(if is_worth_storing { STORE_ALL } else { STORE })?;
    let Frontier { last, checked, entries, ops, bytes, .. } = *frontier;
    let [last, checked, entries, ops, bytes] = [last, checked, entries, ops, bytes].map(u64::cast_signed);
    let (key, type_name, deleted) = (frontier.document_key, &frontier.type_name, frontier.is_deleted);
    if is_worth_storing {
        let encoded = frontier.encode();
        statement.execute(params![key, type_name, last, checked, entries, ops, bytes, deleted, encoded])?;
        frontier.stored_at = frontier.last;
        frontier.unstored = 0;
    } else {
        statement.execute(params![key, type_name, last, checked, entries, ops, bytes, deleted])?;
    }
    Ok(())
}

impl Writer {
    /// Keeps the writer's memory in step with a row that the check worker moved.
    pub(crate) fn note_checked(
        &mut self,
        space_key: i64,
        document: DocumentId,
        checked: Position,
        type_name: Option<&str>,
    ) {
        self.log.with_frontier(space_key, document, |frontier| {
            frontier.checked = frontier.checked.max(checked.0);
            if let Some(type_name) = type_name {
                frontier.type_name = Some(type_name.to_owned());
            }
        });
    }

    /// Keeps the writer's memory in step with a fate that was kept outside of an append.
    pub(crate) fn note_fate(&mut self, place: Place, fate: &NewFate<'_>) -> Result<(), StorageError> {
        self.log.keep_fate(&self.connection, &self.context, place, fate)?;
        self.log.with_frontier(place.space_key, place.document, |frontier| frontier.is_fated = true);
        Ok(())
    }

    /// Keeps the writer's memory in step with bytes of refused changes that were swept.
    pub(crate) fn note_swept(&mut self) {
        self.log.forget_shelf();
    }

    /// Keeps the writer's memory in step with a document that was held or released.
    pub(crate) fn note_held(&mut self, space_key: i64, document: DocumentId, reason: Option<String>) {
        self.log.with_frontier(space_key, document, |frontier| frontier.held = reason);
    }
}
