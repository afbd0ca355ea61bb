//! Recoveries of changes that no edit of ours makes, on a file without a relay.

use std::cell::Cell;

use document::forge::{self, Forged, poison};
use document::{Document, Excluded, Mended, mend, reauthor};
use serde_json::{Value, json};
use sync_wire::{Actor, Blob, DeviceId, Epoch, LogPosition, Position};

use super::*;
use crate::sources::System;
use crate::storage::{MemberBatch, NewChange, Origin, Placed, Shell, SnapshotRow, open};

/// A document of a vault, with `/first` in its log.
struct Stage<'t> {
    tx: &'t Tx<'t>,
    document: i64,
    first: Change,
    /// Places of the log that are taken.
    end: Cell<u64>,
}

fn on_stage(test: impl FnOnce(&Stage<'_>) -> Result<(), StorageError> + Send + 'static) {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), &System::default(), Shell::Threads).unwrap();
    let played = storage.write(move |tx| {
        let document = tx.ensure_document(&tx.home()?, DocumentId([5; 16]), Some("settings"))?.row;
        let stage = Stage { tx, document, first: change(1, &[], &[Does::Put("/first")]), end: Cell::new(0) };
        stage.log(&stage.first);
        test(&stage)
    });
    played.unwrap();
}

/// What a change does.
#[derive(Clone, Copy)]
enum Does<'c> {
    Put(&'c str),
    /// The first that its change does.
    MakeMap,
    PutInMapOf(&'c Change),
    /// Spoils every document.
    PutNowhere,
}

/// The first change of the author whose every byte this is.
fn change(author: u8, on: &[&Change], what: &[Does<'_>]) -> Change {
    change_by(forge::actor(author), on, what)
}

fn change_by(author: Actor, on: &[&Change], what: &[Does<'_>]) -> Change {
    let max_op = on.iter().map(|change| change.header.max_op()).max().unwrap_or(0);
    let mut deps: Vec<_> = on.iter().map(|change| change.hash()).collect();
    deps.sort_unstable();
    let maps = |attacker, max_op, levels| {
        poison::Ground { author: attacker, attacker, heads: Vec::new(), max_op }.nested(levels)
    };
    let put_in = |author, max_op| {
        let mut put = forge::put("in", 1);
        put.obj = maps(author, max_op, 2).remove(1).obj;
        put
    };
    let ops = what.iter().map(|one| match one {
        Does::Put(key) => forge::put(key, 1),
        Does::MakeMap => maps(author, max_op, 1).remove(0),
        Does::PutInMapOf(change) => put_in(change.header.actor, change.header.start_op - 1),
        Does::PutNowhere => put_in(forge::actor(0xff), 9_999),
    });
    Change::parse(Forged::by(author, 1, max_op + 1, &deps, ops.collect()).blob()).unwrap()
}

impl Stage<'_> {
    /// What somebody wrote, from the log.
    fn log(&self, change: &Change) -> i64 {
        let position = Position(self.end.replace(self.end.get() + 1));
        self.place(change, Some(position))
    }

    /// What this vault wrote, which waits for its fate.
    fn own(&self, change: &Change) -> i64 {
        let row = self.place(change, None);
        let batch = NewBatch::Change { row, hash: &change.hash() };
        self.tx.save_batch(batch_id(change), self.document, batch).unwrap();
        row
    }

    /// What this vault had written when what it rests on went, and stores now.
    fn late(&self, change: &Change) -> Result<(), StorageError> {
        let new = NewChange { change, position: None, device: None, batch: batch_id(change) };
        self.tx.add_stray(self.document, new)?;
        follow(self.tx, self.document, 0)
    }

    fn place(&self, change: &Change, position: Option<Position>) -> i64 {
        let device = position.map(|_| DeviceId([1; 16]));
        let new = NewChange { change, position, device, batch: batch_id(change) };
        match self.tx.place(self.document, new).unwrap() {
            Placed::New(row) => row,
            other => panic!("{other:?}"),
        }
    }

    fn refuse(&self, row: i64, code: FateCode) -> Result<(), StorageError> {
        let because = Because { code, detail: "as the test wished", unix_seconds: None };
        assert!(recover(self.tx, self.document, row, &because)?);
        Ok(())
    }

    /// The log does without this from here on. What it writes anew comes to its places later.
    fn void(&self, excluded: &Change) -> Result<(), StorageError> {
        let in_log = self.tx.members_in_log(self.document, Position(self.end.get()))?;
        let run: Vec<_> = in_log.into_iter().map(|member| member.change).collect();
        let Mended { void, .. } = mend(&[excluded.hash()], &run, |_| None);
        let at = LogPosition { epoch: Epoch([1; 8]), position: Position(self.end.get()) };
        assert_eq!(take_void(self.tx, self.document, &void, at)?, Ok(TookVoid::Rows));
        Ok(())
    }

    fn rows(&self) -> Vec<Blob> {
        self.tx.changes_after(self.document, i64::MIN).unwrap().into_iter().map(|row| row.bytes).collect()
    }

    fn folded(&self) -> Document {
        let mut document = Document::new(None);
        document.apply(&self.rows()).unwrap();
        document
    }

    fn value(&self) -> Value {
        self.folded().value()
    }

    fn batch(&self, change: &Change) -> MemberBatch {
        let members = self.tx.members_all(self.document).unwrap();
        members.into_iter().find(|member| member.change == *change).and_then(|member| member.batch).unwrap()
    }

    fn state(&self, change: &Change) -> BatchState {
        self.batch(change).state
    }
}

fn batch_id(change: &Change) -> BatchId {
    BatchId(change.hash().0[..16].try_into().unwrap())
}

/// As what `change` says is written anew without `lost`, if nothing has that name.
fn anew(first: &Change, lost: &Change, change: &Change) -> Change {
    let max_op = |hash: &ChangeHash| (*hash == first.hash()).then(|| first.header.max_op());
    let lost = std::slice::from_ref(lost);
    reauthor(Excluded::Lost(lost), std::slice::from_ref(change), max_op).unwrap().changes.remove(0)
}

/// The log decides against a change that it had acknowledged, and that others had built upon.
#[test]
fn an_acknowledged_change_that_loses_its_name_keeps_its_content_and_so_does_what_rests_on_it() {
    on_stage(|stage| {
        let Stage { tx, document, ref first, .. } = *stage;
        let loser = change(2, &[first], &[Does::Put("/b")]);
        let upon = change(3, &[&loser], &[Does::Put("/c")]);
        let winner = change(2, &[first], &[Does::Put("/d")]);
        let row = stage.log(&loser);
        let batch = NewBatch::Change { row, hash: &loser.hash() };
        let batch = tx.save_batch(batch_id(&loser), document, batch)?;
        tx.accept(batch, LogPosition { epoch: Epoch([1; 8]), position: Position(1) })?;
        stage.log(&upon);
        let before = stage.value();
        stage.refuse(row, FateCode::EQUIVOCATION)?;
        assert_eq!(stage.value(), before);
        assert_eq!(tx.unsettled(document)?.len(), 2, "both are offered again");
        assert_eq!(stage.state(&loser), BatchState::Replaced);
        stage.log(&winner);
        assert_eq!(stage.value(), json!({"first": 1, "b": 1, "c": 1, "d": 1}));
        // Once more changes nothing: the loser's batch has its last state.
        let count = stage.rows().len();
        stage.refuse(row, FateCode::EQUIVOCATION)?;
        assert_eq!(stage.rows().len(), count);
        let last = tx.changes_after(document, 0)?.last().unwrap().row;
        let not_ours = Because { code: FateCode::DANGEROUS, detail: "", unix_seconds: None };
        assert!(!recover(tx, document, last, &not_ours)?, "what the log holds is not taken out for another reason");
        Ok(())
    });
}

#[test]
fn what_rests_on_a_change_that_spoils_the_document_is_kept_without_it() {
    on_stage(|stage| {
        let refused = change(2, &[&stage.first], &[Does::PutNowhere]);
        let kept = change(3, &[&refused], &[Does::Put("/kept")]);
        let row = stage.own(&refused);
        stage.own(&kept);
        stage.refuse(row, FateCode::DANGEROUS)?;
        assert_eq!((stage.state(&refused), stage.state(&kept)), (BatchState::Quarantined, BatchState::Replaced));
        assert_eq!(stage.value(), json!({"first": 1, "kept": 1}));
        Ok(())
    });
}

#[test]
fn what_would_spoil_the_document_is_quarantined_with_the_refused_change() {
    on_stage(|stage| {
        let refused = change(2, &[&stage.first], &[Does::Put("/refused")]);
        let bad = change(3, &[&refused], &[Does::PutNowhere]);
        let row = stage.own(&refused);
        stage.own(&bad);
        stage.refuse(row, FateCode::DANGEROUS)?;
        assert_eq!((stage.state(&refused), stage.state(&bad)), (BatchState::Quarantined, BatchState::Quarantined));
        assert_eq!(stage.value(), json!({"first": 1}));
        Ok(())
    });
}

/// Nothing can be tried on a spoiled document. What comes when it is mended is tried, and what was quarantined stays.
#[test]
fn what_comes_later_goes_on_without_what_was_quarantined_with_the_refused_change() {
    on_stage(|stage| {
        let spoils = stage.log(&change(9, &[&stage.first], &[Does::PutNowhere]));
        let refused = change(2, &[&stage.first], &[Does::Put("/refused")]);
        let with = change(3, &[&refused], &[Does::Put("/with")]);
        let row = stage.own(&refused);
        stage.own(&with);
        stage.refuse(row, FateCode::DANGEROUS)?;
        assert_eq!(stage.state(&with), BatchState::Quarantined);
        stage.tx.exclude(spoils)?;
        let late = change(4, &[&with], &[Does::Put("/late")]);
        stage.late(&late)?;
        assert_eq!((stage.state(&with), stage.state(&late)), (BatchState::Quarantined, BatchState::Replaced));
        assert_eq!(stage.value(), json!({"first": 1, "late": 1}));
        Ok(())
    });
}

#[test]
fn what_comes_later_rests_on_what_was_kept_of_what_was_quarantined() {
    on_stage(|stage| {
        let refused = change(2, &[&stage.first], &[Does::MakeMap]);
        let half = change(3, &[&refused], &[Does::PutInMapOf(&refused), Does::Put("/half")]);
        let row = stage.own(&refused);
        stage.own(&half);
        stage.refuse(row, FateCode::DANGEROUS)?;
        assert!(stage.state(&half) == BatchState::Quarantined && stage.batch(&half).is_replaced);
        stage.late(&change(4, &[&half], &[Does::Put("/late")]))?;
        assert_eq!(stage.value(), json!({"first": 1, "half": 1, "late": 1}));
        assert_eq!(stage.folded().heads().len(), 1);
        Ok(())
    });
}

/// A replacement that was refused itself is not tried again with what comes later and rests on it.
#[test]
fn what_comes_later_is_kept_without_replacements_that_were_refused_meanwhile() {
    on_stage(|stage| {
        let spoils = stage.log(&change(9, &[&stage.first], &[Does::PutNowhere]));
        let renamed = change(2, &[&stage.first], &[Does::Put("/renamed")]);
        let bad = change(3, &[&renamed], &[Does::PutNowhere]);
        let row = stage.own(&renamed);
        stage.own(&bad);
        stage.refuse(row, FateCode::EQUIVOCATION)?;
        assert_eq!(stage.state(&bad), BatchState::Replaced, "only a name was lost");
        stage.tx.exclude(spoils)?;
        let bad_anew = stage.tx.unsettled(stage.document)?.pop().unwrap();
        stage.refuse(bad_anew.row, FateCode::DANGEROUS)?;
        let late = change(4, &[&bad], &[Does::Put("/late")]);
        stage.late(&late)?;
        assert_eq!(stage.state(&late), BatchState::Replaced);
        assert_eq!(stage.value(), json!({"first": 1, "renamed": 1, "late": 1}));
        Ok(())
    });
}

/// Another holder of the refused change had written something else on top of it, under the same names.
#[test]
fn replacements_whose_names_others_have_get_others() {
    on_stage(|stage| {
        let first = &stage.first;
        let refused = change(2, &[first], &[Does::Put("/refused")]);
        let [ours, also_ours] = [3, 4].map(|author| change(author, &[&refused], &[Does::Put("/ours")]));
        for (ours, key) in [(&ours, "/theirs"), (&also_ours, "/also_theirs")] {
            stage.log(&change_by(anew(first, &refused, ours).header.actor, &[first], &[Does::Put(key)]));
        }
        let row = stage.own(&refused);
        stage.own(&ours);
        stage.own(&also_ours);
        stage.refuse(row, FateCode::DANGEROUS)?;
        assert_eq!((stage.state(&ours), stage.state(&also_ours)), (BatchState::Replaced, BatchState::Replaced));
        assert_eq!(stage.value(), json!({"first": 1, "theirs": 1, "also_theirs": 1, "ours": 1}));
        Ok(())
    });
}

/// Changes that came as a snapshot get their rows later.
#[test]
fn what_rests_on_a_refused_change_above_a_snapshot_is_kept() {
    on_stage(|stage| {
        let inside = change(2, &[&stage.first], &[Does::Put("/inside")]);
        let mut whole = stage.folded();
        whole.apply(std::slice::from_ref(&inside.bytes)).unwrap();
        let through = stage.tx.changes_after(stage.document, 0)?.last().unwrap().row;
        let snapshot = SnapshotRow { origin: Origin::Relay, through, snapshot: whole.snapshot().unwrap() };
        stage.tx.put_snapshot(stage.document, &snapshot)?;
        refused_and_kept_on(stage, &inside)
    });
}

#[test]
fn what_rests_on_a_refused_change_is_kept_beside_a_snapshot_that_does_not_load() {
    on_stage(|stage| {
        let mut snapshot = stage.folded().snapshot().unwrap();
        snapshot.bytes = b"not a snapshot".to_vec().into();
        let digest = snapshot.digest;
        stage.tx.put_snapshot(stage.document, &SnapshotRow { origin: Origin::Relay, through: 0, snapshot })?;
        stage.tx.give_up_snapshot(stage.document, &digest)?;
        refused_and_kept_on(stage, &stage.first)
    });
}

fn refused_and_kept_on(stage: &Stage<'_>, ground: &Change) -> Result<(), StorageError> {
    let refused = change(8, &[ground], &[Does::Put("/refused")]);
    let kept = change(9, &[&refused], &[Does::Put("/kept")]);
    let row = stage.own(&refused);
    stage.own(&kept);
    stage.refuse(row, FateCode::DANGEROUS)?;
    assert_eq!((stage.state(&refused), stage.state(&kept)), (BatchState::Quarantined, BatchState::Replaced));
    Ok(())
}

#[test]
fn of_what_is_pending_on_a_void_only_what_would_spoil_the_document_is_lost() {
    on_stage(|stage| {
        let void = change(2, &[&stage.first], &[Does::Put("/void")]);
        stage.log(&void);
        let beside = change(3, &[&void], &[Does::Put("/beside")]);
        let bad = change(4, &[&void], &[Does::PutNowhere]);
        let upon = change(5, &[&bad], &[Does::Put("/upon")]);
        for own in [&beside, &bad, &upon] {
            stage.own(own);
        }
        stage.void(&void)?;
        let states = [&beside, &bad, &upon].map(|own| stage.state(own));
        assert_eq!(states, [BatchState::Replaced, BatchState::Quarantined, BatchState::Replaced]);
        assert_eq!(stage.value(), json!({"first": 1, "beside": 1, "upon": 1}));
        Ok(())
    });
}

#[test]
fn what_a_void_keeps_of_a_pending_change_goes_on_and_the_whole_of_it_is_in_quarantine() {
    on_stage(|stage| {
        let void = change(2, &[&stage.first], &[Does::MakeMap]);
        stage.log(&void);
        let half = change(3, &[&void], &[Does::PutInMapOf(&void), Does::Put("/half")]);
        stage.own(&half);
        stage.void(&void)?;
        assert!(stage.state(&half) == BatchState::Quarantined && stage.batch(&half).is_replaced);
        assert_eq!(stage.value(), json!({"first": 1, "half": 1}));
        let anew = stage.tx.unsettled(stage.document)?.pop().unwrap();
        assert_eq!(anew.batch.map(|batch| batch.rewritten), Some(1));
        Ok(())
    });
}

#[test]
fn what_is_pending_on_a_void_and_would_get_a_name_that_another_has_gets_another() {
    on_stage(|stage| {
        let first = &stage.first;
        let void = change(2, &[first], &[Does::Put("/void")]);
        stage.log(&void);
        let ours = change(3, &[&void], &[Does::Put("/ours")]);
        stage.log(&change_by(anew(first, &void, &ours).header.actor, &[first], &[Does::Put("/theirs")]));
        stage.own(&ours);
        stage.void(&void)?;
        assert_eq!(stage.state(&ours), BatchState::Replaced);
        assert_eq!(stage.value(), json!({"first": 1, "theirs": 1, "ours": 1}));
        Ok(())
    });
}
