//! A program with a fault ends up in a document that people edit: it pushes a change that no document can hold. Their
//! devices may know of it late, and go on editing until they do.

use std::time::Duration;

use document::Change;
use document::forge::poison::Ground;
use sync_wire::limits::WIRE_VERSION;
use sync_wire::log::EntryKind;
use sync_wire::{
    Actor, BatchId, ChangeHash, Content, DeviceFrame, DeviceId, DocumentId, Hello, Push, SpaceId, VersionRange,
};

use super::{Due, World};
use crate::check::{self, Record, SpaceLog};
use crate::failure::Failure;
use crate::foreign;
use crate::oracle;

/// Times that this happens in one world: each costs a repair.
const SPOILS_MAX: usize = 3;
/// How long nobody may look at what was spoiled.
const UNSEEN_AT_MOST: Duration = Duration::from_secs(20);

/// A document that was spoiled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spoiled {
    pub(super) account: usize,
    pub(super) document: DocumentId,
    /// The first change of the program that did it.
    pub(super) by: ChangeHash,
}

/// Where a document stands that can be spoiled.
struct Target {
    document: DocumentId,
    author: Actor,
    heads: Vec<ChangeHash>,
    max_op: u64,
}

impl World {
    /// A document of somebody's personal space is spoiled. In a space with other people its check comes first.
    pub(super) fn spoil(&mut self) -> Result<(), Failure> {
        if self.spoiled.len() >= SPOILS_MAX || self.relay.program.is_none() || self.relay.disk.has_ended() {
            return Ok(());
        }
        let account = self.some_account();
        let space = self.templates.accounts[account].personal;
        let logs = check::read(self.relay.disk.file())?;
        let mut targets = logs.get(&space).map(targets).transpose()?.unwrap_or_default();
        targets.retain(|target| target.document != self.foreign.document()); // it has faults of its own
        if targets.is_empty() {
            return Ok(());
        }
        let target = &targets[self.rng.index(targets.len())];
        let ground = Ground {
            author: target.author,
            attacker: Actor(self.some_id()),
            heads: target.heads.clone(),
            max_op: target.max_op,
        };
        let upon = Actor(self.some_id());
        let changes = foreign::spoil(&ground, upon, &mut self.rng)?;
        let by = Change::parse(changes[0].clone()).map_err(anyhow::Error::from)?.hash();
        self.spoiled.push(Spoiled { account, document: target.document, by });
        if !self.relay.is_checking && self.rng.chance(0.6) {
            self.relay.is_checking = true;
            let wait = self.rng.up_to(UNSEEN_AT_MOST);
            self.plan(wait, Due::Check);
        }
        let frames = self.frames_of_spoiler(space, target.document, changes);
        // Whether it gets in is its own business: the document may be held or deleted by now, or there is no room.
        self.converse("spoiler", account, |_| Ok(frames)).map(drop)
    }

    fn frames_of_spoiler(
        &mut self,
        space: SpaceId,
        document: DocumentId,
        changes: Vec<sync_wire::Blob>,
    ) -> Vec<DeviceFrame> {
        let (device, batch) = (DeviceId(self.some_id()), BatchId(self.some_id()));
        let versions = VersionRange { oldest: WIRE_VERSION, newest: WIRE_VERSION };
        let hello = Hello { versions, device, agent: "spoiler".to_owned(), cursors: Vec::new(), attempt: None };
        let content = Content::Changes(changes);
        vec![DeviceFrame::Hello(hello), DeviceFrame::Push(Push { space, document, lane: 0, batch, content })]
    }

    /// As no seed's actor begins.
    fn some_id(&mut self) -> [u8; 16] {
        let mut id = [0; 16];
        self.rng.fill(&mut id);
        id[0] = 3;
        id
    }

    /// A change that came after what spoiled a document, and was not looked at for it: its owner may take it for one of
    /// those that have to go.
    pub(super) fn innocent(&mut self, spoiled: &Spoiled) -> Result<Option<ChangeHash>, Failure> {
        let logs = check::read(self.relay.disk.file())?;
        let Some(log) = logs.get(&self.templates.accounts[spoiled.account].personal) else { return Ok(None) };
        let excluded = oracle::excluded(log)?;
        let is_of_it = |record: &&Record| {
            let is_change = record.kind == EntryKind::Change && record.document == spoiled.document;
            is_change && !excluded.contains(&(record.document, record.hash))
        };
        let records: Vec<&Record> = log.records.iter().filter(is_of_it).collect();
        let Some(at) = records.iter().position(|record| record.hash == spoiled.by) else { return Ok(None) };
        let (device, later) = (records[at].device, &records[at..]);
        let mut innocent = Vec::new();
        for record in later.iter().filter(|record| record.device != device) {
            let change = Change::parse(record.bytes.clone().into()).map_err(anyhow::Error::from)?;
            if !document::Seed::is_seed_actor(&change.header.actor) {
                innocent.push(record.hash);
            }
        }
        Ok(if innocent.is_empty() { None } else { Some(innocent[self.rng.index(innocent.len())]) })
    }
}

/// The documents of a log that devices edit.
fn targets(log: &SpaceLog) -> Result<Vec<Target>, Failure> {
    let excluded = oracle::excluded(log)?;
    let mut targets: Vec<Target> = Vec::new();
    let changes = log
        .records
        .iter()
        .filter(|record| record.kind == EntryKind::Change && !excluded.contains(&(record.document, record.hash)));
    for record in changes {
        let header = document::Header::parse(&record.bytes).map_err(anyhow::Error::from)?;
        let index = targets.iter().position(|target| target.document == record.document).unwrap_or_else(|| {
            let (document, author) = (record.document, header.actor);
            targets.push(Target { document, author, heads: Vec::new(), max_op: 0 });
            targets.len() - 1
        });
        let target = &mut targets[index];
        target.heads.retain(|head| !header.deps.contains(head));
        target.heads.push(record.hash);
        target.max_op = target.max_op.max(header.max_op());
    }
    targets.retain(|target| log.deleted.get(&target.document) != Some(&true));
    targets.iter_mut().for_each(|target| target.heads.sort());
    Ok(targets)
}
