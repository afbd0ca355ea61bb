//! In which order the writer takes what is queued.
//!
//! All that is light makes one group, which is one commit. What takes long is a group of its own, behind the light ones
//! that are there by then: nobody waits for more than one such job, whoever sends them and however many.

use std::collections::{HashSet, VecDeque};

use tokio::sync::mpsc::Receiver;

use super::job::Job;
use super::{GROUP_STEPS_MAX, HEAVY_STEPS_MIN};

/// Jobs that may wait outside of the queue; then nothing more is taken out of it.
const BEHIND_MAX: usize = 256;

/// What was taken out of the queue and has to wait.
#[derive(Default)]
pub(super) struct Line {
    /// Heavy jobs, and those of the same documents behind them.
    behind: VecDeque<Box<dyn Job>>,
    /// The last group was a light one: now it is the turn of what waited.
    is_turn_of_heavy: bool,
}

impl Line {
    /// The next group. There is no timer: waiting for more is pure loss. None, when nobody can queue any more and
    /// everything is done.
    pub(super) fn next(&mut self, queue: &mut Receiver<Box<dyn Job>>) -> Option<Vec<Box<dyn Job>>> {
        if self.is_turn_of_heavy
            && let Some(job) = self.behind.pop_front()
        {
            self.is_turn_of_heavy = false;
            return Some(vec![job]);
        }
        let first = if self.behind.is_empty() { Some(queue.blocking_recv()?) } else { queue.try_recv().ok() };
        let group = self.light(first, queue);
        self.is_turn_of_heavy = !group.is_empty();
        if group.is_empty() { self.behind.pop_front().map(|job| vec![job]) } else { Some(group) }
    }

    /// Everything light that is queued by now, up to the size of a group.
    fn light(&mut self, first: Option<Box<dyn Job>>, queue: &mut Receiver<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
        let mut blocked: HashSet<_> = self.behind.iter().filter_map(|job| job.load().document).collect();
        let (mut group, mut steps) = (Vec::new(), 0);
        let mut next = first;
        while let Some(job) = next {
            let load = job.load();
            let is_blocked = load.document.is_some_and(|document| blocked.contains(&document));
            if load.steps >= HEAVY_STEPS_MIN || is_blocked {
                blocked.extend(load.document);
                self.behind.push_back(job);
            } else {
                steps += load.steps;
                group.push(job);
            }
            let is_full = steps >= GROUP_STEPS_MAX || self.behind.len() >= BEHIND_MAX;
            next = if is_full { None } else { queue.try_recv().ok() };
        }
        group
    }
}

#[cfg(test)]
mod tests {
    use sync_wire::{DocumentId, SpaceId};
    use tokio::sync::mpsc;

    use super::super::job::{Isolation, Load, Ran};
    use super::*;
    use crate::error::StorageError;
    use crate::storage::Writer;

    struct Loaded(Load);

    impl Job for Loaded {
        fn isolation(&self) -> Isolation {
            Isolation::Validated
        }

        fn load(&self) -> Load {
            self.0
        }

        fn run(&mut self, _: &mut Writer) -> Ran {
            Ran::Keep
        }

        fn answer(self: Box<Self>, _: Result<(), StorageError>) {}
    }

    /// Groups by their steps, of jobs that are all queued before the writer looks; each has steps and a document.
    fn groups(jobs: &[(usize, u8)]) -> Vec<Vec<usize>> {
        let (sender, mut queue) = mpsc::channel(jobs.len());
        for (steps, document) in jobs {
            let document = Some((SpaceId([0; 16]), DocumentId([*document; 16])));
            let queued = sender.try_send(Box::new(Loaded(Load { steps: *steps, document })) as Box<dyn Job>);
            assert!(queued.is_ok());
        }
        drop(sender);
        let mut line = Line::default();
        let mut groups = Vec::new();
        while let Some(group) = line.next(&mut queue) {
            groups.push(group.iter().map(|job| job.load().steps).collect());
        }
        groups
    }

    #[test]
    fn light_jobs_are_one_group_and_do_not_wait_for_a_heavy_one() {
        assert_eq!(groups(&[(1, 1), (2, 2), (3, 3)]), [vec![1, 2, 3]]);
        assert_eq!(groups(&[(1, 1), (600, 2), (2, 3), (3, 4)]), [vec![1, 2, 3], vec![600]]);
        assert_eq!(groups(&[(600, 1), (700, 2), (1, 3)]), [vec![1], vec![600], vec![700]]);
    }

    #[test]
    fn jobs_of_a_document_stay_in_their_order() {
        assert_eq!(groups(&[(600, 1), (1, 1), (2, 2), (3, 1)]), [vec![2], vec![600], vec![1], vec![3]]);
    }

    #[test]
    fn a_group_has_an_end() {
        assert_eq!(groups(&[(511, 1); 20]), [vec![511; 17], vec![511; 3]]);
    }
}
