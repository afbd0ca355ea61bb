//! Whatever is edited, deleted and asked through two handles of one vault: each answer is what a look at every document
//! gives, and applying every difference to the first answer gives the last.

use editor_vault::{Compare, Direction, Document, Found, LiveQuery, Vault};
use proptest::prelude::*;
use serde_json::{Value, json};
use stories::{Seen, Stories};

use super::naive::Asked;
use super::tasks::{add, open};
use crate::house::House;

const PATHS: [&str; 5] = ["/title", "/points", "/done", "/tags", "/place/floor"];
const SORTS: [&str; 4] = ["/title", "/points", "/done", "/place/floor"];

#[derive(Debug, Clone)]
enum Step {
    Add { hand: usize, title: String, points: Value },
    Put { hand: usize, task: usize, path: &'static str, value: Value },
    Delete { hand: usize, task: usize },
    Restore { hand: usize, task: usize },
    Ask { hand: usize, asked: Asked },
    Watch { hand: usize, asked: Asked },
    Look,
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => (-2..4_i64).prop_map(Value::from),
        1 => (-2..4_i64).prop_map(|number| json!(number as f64 / 2.0)),
        2 => "[ab]{0,2}".prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ]
}

fn asked() -> impl Strategy<Value = Asked> {
    let compare = (0..8, value()).prop_map(|(kind, value)| match kind {
        0 => Compare::Equal(value),
        1 => Compare::Below(value),
        2 => Compare::AtMost(value),
        3 => Compare::Above(value),
        4 => Compare::AtLeast(value),
        5 => Compare::StartsWith(value.as_str().unwrap_or("a").to_owned()),
        6 => Compare::Present,
        _ => Compare::Absent,
    });
    let filters = prop::collection::vec((prop::sample::select(&PATHS[..]), compare), 0..3);
    let direction = prop_oneof![Just(Direction::Ascending), Just(Direction::Descending)];
    (filters, prop::sample::select(&SORTS[..]), direction, 1..6_usize)
        .prop_map(|(filters, path, direction, limit)| Asked { filters, sort: (path, direction), limit })
}

fn story() -> impl Strategy<Value = Vec<Step>> {
    let (hand, task) = (0..2_usize, 0..8_usize);
    let step = prop_oneof![
        3 => (hand.clone(), "[abc]{1,2}", value()).prop_map(|(hand, title, points)| Step::Add { hand, title, points }),
        6 => (hand.clone(), task.clone(), prop::sample::select(&PATHS[1..]), value())
            .prop_map(|(hand, task, path, value)| Step::Put { hand, task, path, value }),
        1 => (hand.clone(), task.clone()).prop_map(|(hand, task)| Step::Delete { hand, task }),
        1 => (hand.clone(), task).prop_map(|(hand, task)| Step::Restore { hand, task }),
        3 => (hand.clone(), asked()).prop_map(|(hand, asked)| Step::Ask { hand, asked }),
        1 => (hand, asked()).prop_map(|(hand, asked)| Step::Watch { hand, asked }),
        3 => Just(Step::Look),
    ];
    prop::collection::vec(step, 1..30)
}

/// An answer that is kept current, and what its differences make of the first.
struct Watched {
    hand: usize,
    asked: Asked,
    live: LiveQuery,
    followed: Vec<Found>,
}

struct World {
    _house: House,
    hands: [Vault; 2],
    tasks: Vec<Document>,
    watched: Vec<Watched>,
    seen: Seen,
}

impl World {
    fn new() -> Self {
        let house = House::new();
        let hands = [open(&house, "a"), open(&house, "a")];
        Self { _house: house, hands, tasks: Vec::new(), watched: Vec::new(), seen: Seen::new() }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Add { hand, title, points } => {
                let task = add(&self.hands[*hand], title, &json!({ "points": points }));
                self.tasks.push(task);
            }
            Step::Put { hand, task, path, value } => self.put(*hand, *task, path, value),
            Step::Delete { hand, task } => {
                if let Some(task) = self.task(*hand, *task) {
                    self.hands[*hand].delete(&task).unwrap();
                }
            }
            Step::Restore { hand, task } => {
                if let Some(task) = self.task(*hand, *task) {
                    self.hands[*hand].restore(&task).unwrap();
                }
            }
            Step::Ask { hand, asked } => self.ask(*hand, asked),
            Step::Watch { hand, asked } => {
                let live = self.hands[*hand].watch_query(&asked.query()).unwrap();
                let followed = live.found();
                self.watched.push(Watched { hand: *hand, asked: asked.clone(), live, followed });
            }
            Step::Look => self.look(),
        }
    }

    fn task(&self, hand: usize, task: usize) -> Option<Document> {
        let task = self.tasks.get(task)?;
        Some(self.hands[hand].document(task.space(), task.id()).unwrap())
    }

    fn put(&mut self, hand: usize, task: usize, path: &str, value: &Value) {
        let Some(task) = self.task(hand, task) else { return };
        let _deleted = match (path, value) {
            ("/tags", Value::String(tag)) => task.edit(|draft| draft.put(&format!("/tags/{tag}x"), true.into())),
            ("/tags", _) => task.edit(|draft| draft.remove("/tags")),
            (_, Value::Null) => task.edit(|draft| draft.remove(path)),
            _ => task.edit(|draft| draft.put(path, value.clone())),
        };
    }

    fn ask(&mut self, hand: usize, asked: &Asked) {
        let page = self.hands[hand].query(&asked.query()).unwrap();
        assert_eq!(page.found, asked.answer(&self.hands[hand]), "{asked:?}");
        self.seen.insert(if page.found.is_empty() { "nothing".into() } else { "something".into() });
        self.seen.extend(page.next.map(|_| "more".to_owned()));
    }

    /// Another process is heard of a little later, so nobody waits for that.
    fn look(&mut self) {
        for watched in &mut self.watched {
            if let Some(difference) = watched.live.refresh().unwrap() {
                difference.apply(&mut watched.followed);
                for (what, happened) in [
                    ("removed", !difference.removed.is_empty()),
                    ("added", !difference.added.is_empty()),
                    ("moved", !difference.moved.is_empty()),
                    ("changed", !difference.changed.is_empty()),
                ] {
                    self.seen.extend(happened.then(|| what.to_owned()));
                }
            }
            assert_eq!(watched.followed, watched.asked.answer(&self.hands[watched.hand]), "{:?}", watched.asked);
            assert_eq!(watched.followed, watched.live.found());
        }
    }
}

const STORIES: Stories<BoxedStrategy<Vec<Step>>> = Stories::new(
    || story().boxed(),
    |steps| {
        let mut world = World::new();
        steps.iter().for_each(|step| world.step(step));
        world.look();
        world.seen
    },
);

#[test]
fn every_answer_is_that_of_a_look_at_every_document() {
    STORIES.check(48, &["nothing", "something", "more", "removed", "added", "changed"]);
}
