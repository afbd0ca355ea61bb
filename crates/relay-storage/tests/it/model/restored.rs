//! A backup is put back in the place of the relay's file, and devices give back what the log lost by that.

use std::collections::BTreeMap;
use std::path::PathBuf;

use relay_storage::{ReceiptKeys, TakenEpoch};
use sync_wire::log::EntryIdentity;
use sync_wire::{AccountId, Chain, DeviceId, Entry, FateCode, Position, Run, Voucher};

use super::naive::{self, Offered, Pushing, Space};
use super::step::{Proof, Writes};
use super::{ALL, Both, NO_LIMIT};
use crate::world::wait;

/// The relay as it was when a backup was made.
pub(super) struct Backup {
    path: PathBuf,
    spaces: [Space; 2],
    writes: Writes,
    quotas: BTreeMap<AccountId, u64>,
}

/// A log as it was before a backup was put back, and as devices keep it.
pub(super) struct Lost {
    is_team: bool,
    space: Space,
    entries: Vec<Entry>,
}

impl Both {
    pub(super) fn back_up(&mut self) {
        self.drafts += 1;
        let path = self.relay().path.with_file_name(format!("backup-{}.sqlite", self.drafts));
        wait(self.relay().storage.backup(&path)).unwrap();
        // What waits for its check is not part of it.
        let spaces = self.spaces.clone().map(Space::without_intake);
        self.backup = Some(Backup { path, spaces, writes: self.writes, quotas: self.quotas.clone() });
        self.saw("backed up");
    }

    pub(super) fn put_back(&mut self) {
        let Some(backup) = &self.backup else { return };
        for (is_team, space) in [false, true].into_iter().zip(&self.spaces) {
            let entries = self.relay().page(space.id, self.relay().start(space.id), ALL).entries;
            self.lost.push(Lost { is_team, space: space.clone(), entries });
        }
        (self.spaces, self.writes, self.quotas) = (backup.spaces.clone(), backup.writes, backup.quotas.clone());
        let relay = self.relay().put_back(&backup.path);
        self.opened(relay);
        self.saw("put back");
    }

    pub(super) fn chain_of(&self, is_team: bool, entries: &[naive::Entry]) -> Chain {
        entries.iter().fold(Chain::START, |chain, entry| {
            let (kind, document, hash, device, batch) = entry.identity();
            let identity = EntryIdentity { kind, document, hash, device, batch };
            chain.extend(&identity.digest(&self.salts[usize::from(is_team)]))
        })
    }

    /// Somebody gives back a part of a lost log.
    pub(super) fn offer(&mut self, who: usize, which: usize, part: [usize; 2], proof: Proof) {
        let Some(lost) = which.checked_rem(self.lost.len()).map(|at| &self.lost[at]) else { return };
        let is_team = lost.is_team;
        let ends = lost.space.batch_ends();
        let [from, upto] = part.map(|at| ends[at % ends.len()]);
        let [from, upto] = [from.min(upto), from.max(upto)];
        if from == upto {
            return;
        }
        let chains = [from, upto].map(|at| self.chain_of(is_team, &lost.space.entries[..at]));
        let (space, epoch, at) = (lost.space.id, lost.space.epoch, Position(upto as u64));
        let others = ReceiptKeys::from_secret(7, [8; 32]);
        let receipt = |keys: &ReceiptKeys| keys.sign(space, epoch, at, &chains[1]);
        let voucher = |receipt| Some(Voucher { before: chains[0], chain: chains[1], receipt });
        let voucher = match proof {
            Proof::Receipt => voucher(receipt(&self.relay().keys)),
            Proof::Forged => voucher(receipt(&others)),
            Proof::None => None,
        };
        let entries = lost.entries[from..upto].to_vec();
        let run = Run { after: Position(from as u64), upto: at, epoch, entries, voucher };
        let account = self.writers[who].account.id;
        let taken = wait(self.relay().storage.take_run(account, space, run)).unwrap();

        let accounts: BTreeMap<DeviceId, AccountId> =
            self.writers.iter().map(|writer| (writer.device, writer.account.id)).collect();
        let offered =
            Offered { lost: &lost.space, from, upto, is_vouched: proof == Proof::Receipt, accounts: &accounts };
        let objection = (!self.may_write(is_team, account)).then_some(FateCode::GRANT);
        let quota = self.quotas.get(&account).copied().unwrap_or(NO_LIMIT);
        let elsewhere = self.space(!is_team).bytes_of(account);
        let standing = move |space: &Space, device: DeviceId| {
            let room = Some(quota.saturating_sub(space.bytes_of(account) + elsewhere));
            Pushing { account, device, objection, room }
        };
        let standing: Option<super::naive::offer::Judge<'_, Space>> = (!is_team).then_some(&standing);
        let expected = self.spaces[usize::from(is_team)].take_run(&offered, standing);

        let is_new = taken.epoch == TakenEpoch::New;
        assert_eq!((taken.entries, is_new, taken.left_out.len()), expected.all(), "{taken:?}");
        let known = &mut self.spaces[usize::from(is_team)];
        assert_eq!((taken.end.epoch != known.epoch, taken.end.position.0), (is_new, known.end()));
        known.epoch = taken.end.epoch;
        let what = match (taken.entries, is_new) {
            (0, false) => "nothing taken back",
            (0, true) => "a new epoch for nothing",
            (_, false) => "taken back unchanged",
            (_, true) if proof == Proof::Receipt => "taken back in a new epoch",
            (_, true) => "taken back without proof",
        };
        self.saw(what);
        if !taken.left_out.is_empty() {
            self.saw("left out");
        }
    }
}
