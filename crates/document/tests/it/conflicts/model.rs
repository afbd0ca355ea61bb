//! Random devices beside a model that knows who saw what: no value goes unless somebody weighed it.
//!
//! The model keeps for every write what its author knew. A value stands until a write that saw it closes it; what a
//! device without rules has written over waits until a resolution whose author knew of that.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};
use sync_wire::ChangeHash;

use super::{Replica, TRUST, replica};

/// Devices that know the rules, and one that does not.
const DEVICES: usize = 4;
const OLDER: usize = 3;

type Known = BTreeSet<ChangeHash>;

#[derive(Debug, Clone)]
enum Step {
    Put(usize, u8),
    Remove(usize),
    Resolve(usize, u8),
    /// Everything of one goes to another.
    Send(usize, usize),
}

struct Write {
    value: Value,
    is_resolution: bool,
    closes: Known,
    /// The value that it left standing in the place of its own: Automerge makes of a put of what is shown a deletion of
    /// the others.
    leaves: Option<ChangeHash>,
    saw: Known,
}

#[derive(Default)]
struct World {
    devices: Vec<(Replica, Known)>,
    writes: BTreeMap<ChangeHash, Write>,
}

impl World {
    fn new() -> Self {
        let mut world = Self::default();
        for number in 1..=DEVICES {
            let number = u8::try_from(number).unwrap();
            let device = if usize::from(number) == OLDER + 1 { Replica::new(number) } else { replica(number) };
            world.devices.push((device, Known::new()));
        }
        world
    }

    /// What no known write closed.
    fn standing(&self, known: &Known) -> Known {
        let closed: Known = known.iter().flat_map(|hash| self.writes[hash].closes.clone()).collect();
        let puts = |hash: &&ChangeHash| self.writes[*hash].leaves.is_none();
        known.difference(&closed).filter(puts).copied().collect()
    }

    /// What lies below writes that decided nothing, and of which no known resolution knew.
    fn waiting(&self, known: &Known) -> Known {
        let decided: Known = known
            .iter()
            .filter(|hash| self.writes[*hash].is_resolution)
            .flat_map(|hash| self.writes[hash].saw.clone())
            .collect();
        let over = known.iter().filter(|hash| !self.writes[*hash].is_resolution && !decided.contains(*hash));
        let undecided = over.map(|hash| &self.writes[hash]).filter(|write| {
            let seen = write.closes.iter().chain(&write.leaves).copied();
            self.differ(&seen.collect())
        });
        undecided.flat_map(|write| write.closes.clone()).collect()
    }

    fn differ(&self, hashes: &Known) -> bool {
        let values: BTreeSet<_> = hashes.iter().map(|hash| self.writes[hash].value.to_string()).collect();
        values.len() > 1
    }

    fn open(&self, known: &Known) -> Known {
        let (standing, waiting) = (self.standing(known), self.waiting(known));
        let is_open = self.differ(&standing) || !waiting.is_empty();
        if is_open { standing.union(&waiting).copied().collect() } else { Known::new() }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Send(from, to) => {
                let (log, known) = (self.devices[from].0.log.clone(), self.devices[from].1.clone());
                self.devices[to].0.receive(&log);
                self.devices[to].1.extend(known);
            }
            Step::Put(at, value) => self.write(at, Some(json!(value))),
            Step::Remove(at) if at == OLDER => {} // it would delete, which the model knows nothing of
            Step::Remove(at) => self.write(at, None),
            Step::Resolve(at, value) => self.resolve(at, json!(value)),
        }
    }

    /// Puts, or removes.
    fn write(&mut self, at: usize, value: Option<Value>) {
        let (device, known) = &mut self.devices[at];
        let shown = device.document.get(TRUST);
        let first = device.document.alternatives(TRUST).unwrap().first().map(|one| one.hash);
        let edited = device.document.edit(device.actor, |draft| match &value {
            Some(value) => draft.put(TRUST, value.clone()),
            None => draft.remove(TRUST),
        });
        let known = known.clone();
        let same = value.is_some() && shown == value || value.is_none() && shown.is_none_or(|shown| shown.is_null());
        if at != OLDER && !same && !self.open(&known).is_empty() {
            assert_eq!(edited.unwrap_err().code(), "conflict_open");
            return;
        }
        edited.unwrap();
        let leaves = first.filter(|_| same && self.standing(&known).len() > 1);
        self.seal(at, value.unwrap_or(Value::Null), false, leaves);
    }

    fn resolve(&mut self, at: usize, value: Value) {
        let open = self.open(&self.devices[at].1);
        let (device, _) = &mut self.devices[at];
        let conflicts = device.document.conflicts().unwrap();
        let Some(conflict) = conflicts.first() else { return };
        let closes: Vec<_> = conflict.values.iter().map(|one| one.hash).collect();
        assert_eq!(closes.iter().copied().collect::<Known>(), open);
        device.document.edit(device.actor, |draft| draft.resolve(TRUST, value.clone(), &closes)).unwrap();
        self.seal(at, value, true, None);
    }

    fn seal(&mut self, at: usize, value: Value, is_resolution: bool, leaves: Option<ChangeHash>) {
        let saw = self.devices[at].1.clone();
        let mut closes = self.standing(&saw);
        closes.retain(|hash| Some(*hash) != leaves);
        let (device, known) = &mut self.devices[at];
        let Some(sealed) = device.document.seal(1).unwrap() else { return };
        device.log.extend(sealed.seeds.iter().chain(&sealed.changes).map(|change| change.bytes.clone()));
        let hash = sealed.changes[0].hash();
        known.insert(hash);
        self.writes.insert(hash, Write { value, is_resolution, closes, leaves, saw });
    }

    fn check(&self) {
        for (at, (device, known)) in self.devices.iter().enumerate() {
            let standing: Known = device.document.alternatives(TRUST).unwrap().iter().map(|one| one.hash).collect();
            assert_eq!(standing, self.standing(known), "device {at}");
            let conflicts = device.document.conflicts().unwrap();
            let values = || conflicts.iter().flat_map(|conflict| &conflict.values);
            assert!(values().all(|one| one.value == self.writes[&one.hash].value));
            let expected = if at == OLDER { Known::new() } else { self.open(known) };
            assert_eq!(values().map(|one| one.hash).collect::<Known>(), expected, "device {at}");
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let (device, value) = (0..DEVICES, 0_u8..4);
    prop_oneof![
        4 => (device.clone(), value.clone()).prop_map(|(at, value)| Step::Put(at, value)),
        1 => device.clone().prop_map(Step::Remove),
        2 => (device.clone(), value).prop_map(|(at, value)| Step::Resolve(at, value)),
        4 => (device.clone(), device).prop_map(|(from, to)| Step::Send(from, to)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_goes_that_nobody_weighed(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.check();
        }
        for to in 0..DEVICES {
            (0..DEVICES).for_each(|from| world.take(&Step::Send(from, to)));
        }
        (0..DEVICES).for_each(|to| world.take(&Step::Send(DEVICES - 1, to)));
        world.check();
    }
}
