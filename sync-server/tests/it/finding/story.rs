//! Whatever is written, deleted and asked in several spaces: each answer is what a look at every document gives, and
//! the differences of live queries lead to it.

use std::collections::BTreeMap;

use schemas::{Key, Query, Registry};
use serde_json::{Value, json};
use sync_wire::{Content, DocumentId, LogPosition, Role, SpaceId};

use super::live::Watched;
use super::{FIND, delete, escaped, find, found};
use crate::author::{Author, Batch};
use crate::device::Device;
use crate::relay::{Account, Relay};

const FIELDS: [&str; 3] = ["title", "extension", "rating"];

/// What a query string says, before it is escaped.
type Said = Vec<(&'static str, String)>;

/// Numbers from a seed: SplitMix64.
struct Draws(u64);

impl Draws {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    fn of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }

    fn value(&mut self) -> Value {
        let values = [json!("a"), json!("ab"), json!("b"), json!(1), json!(2.5), json!(true), json!(null), json!("")];
        self.of(&values).clone()
    }

    fn query(&mut self, spaces: &[SpaceId]) -> Said {
        let mut query = vec![("type", "review".to_owned()), ("limit", (1 + self.below(5)).to_string())];
        for _ in 0..self.below(3) {
            let (field, operator) = (*self.of(&FIELDS), *self.of(&["=", "<", "<=", ">", ">=", "^="]));
            query.push(match self.below(5) {
                0 => ("present", field.to_owned()),
                1 => ("absent", field.to_owned()),
                _ if operator == "^=" => ("where", format!("{field}^={}", self.of(&["a", "b", ""]))),
                _ => ("where", format!("{field}{operator}{}", self.value())),
            });
        }
        if self.below(4) > 0 {
            let way = *self.of(&["", "-"]);
            query.push(("sort", format!("{way}{}", self.of(&FIELDS))));
        }
        if self.below(4) == 0 {
            query.push(("space", self.of(spaces).to_string()));
        }
        query
    }
}

fn url(query: &Said) -> String {
    query.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect::<Vec<_>>().join("&")
}

/// A document as the test has it.
struct Known {
    author: Author,
    values: BTreeMap<&'static str, Value>,
    is_deleted: bool,
}

struct World<'r> {
    relay: &'r Relay,
    ada: &'r Account,
    device: Device,
    spaces: Vec<SpaceId>,
    documents: Vec<(SpaceId, Known)>,
    ends: BTreeMap<SpaceId, LogPosition>,
}

impl World<'_> {
    async fn step(&mut self, draws: &mut Draws) {
        if self.documents.is_empty() || draws.below(4) == 0 {
            let known = Known { author: Author::new("review"), values: BTreeMap::new(), is_deleted: false };
            self.documents.push((*draws.of(&self.spaces), known));
        }
        let at = draws.below(self.documents.len());
        let (space, known) = &mut self.documents[at];
        let end = match draws.below(8) {
            _ if known.is_deleted => {
                known.is_deleted = false;
                self.device.push_all(*space, known.author.id, &[Batch::of(Content::Restore)]).await
            }
            0 if !known.values.is_empty() => {
                known.is_deleted = true;
                delete(&mut self.device, *space, &known.author).await
            }
            _ => {
                let (field, value) = (*draws.of(&FIELDS), draws.value());
                if known.values.get(field) == Some(&value) {
                    return; // no edit
                }
                let batches = known.author.put(&format!("/{field}"), value.clone());
                known.values.insert(field, value);
                self.device.push_all(*space, known.author.id, &batches).await
            }
        };
        self.ends.insert(*space, end);
    }

    /// The spaces and ids of every document that fits, in the order that is asked for.
    fn fitting(&self, query: &Said) -> Vec<(String, String)> {
        let of = |wanted: &'static str| query.iter().filter(move |(name, _)| *name == wanted).map(|(_, said)| said);
        let mut asked = of("where").fold(Query::of("review"), |asked, said| asked.filter(said).unwrap());
        asked = of("present").fold(asked, |asked, path| asked.present(path));
        asked = of("absent").fold(asked, |asked, path| asked.absent(path));
        let checked = asked.check(Registry::builtin().get("review").unwrap()).unwrap();
        let sort = of("sort").next().map_or("title", String::as_str);
        let mut fitting: Vec<(Key, DocumentId, SpaceId)> = Vec::new();
        for (space, known) in &self.documents {
            let key = |field: &str| known.values.get(field).and_then(Key::of).unwrap_or_else(Key::absent);
            let is_there = !known.values.is_empty() && !known.is_deleted;
            let fits = checked.conditions.iter().all(|one| one.range.contains(&key(&one.index.path[1..])));
            if is_there && fits && of("space").all(|only| *only == space.to_string()) {
                fitting.push((key(sort.trim_start_matches('-')), known.author.id, *space));
            }
        }
        fitting.sort();
        if sort.starts_with('-') {
            fitting.reverse();
        }
        fitting.into_iter().map(|(_, id, space)| (space.to_string(), id.to_string())).collect()
    }

    /// The spaces and ids on all pages of an answer.
    async fn asked(&self, query: &Said) -> Vec<(String, String)> {
        let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let answer = find(self.relay, self.ada, &format!("{}{cursor}", url(query))).await;
            all.extend(found(&answer).iter().map(|one| (text(one, "space"), text(one, "id"))));
            let Some(next) = answer.json()["next"].as_str().map(str::to_owned) else { return all };
            cursor = format!("&cursor={next}");
        }
    }

    /// Waits until all that was written is in answers.
    async fn settled(&self) {
        for (space, end) in &self.ends {
            let query = format!("type=review&space={space}&after={end}&limit=1");
            assert_eq!(find(self.relay, self.ada, &query).await.status, 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_that_of_a_look_at_every_document() {
    for seed in 0..4 {
        let relay = Relay::start().await;
        let ada = relay.account("ada").await;
        let mut spaces = vec![ada.personal];
        for _ in 0..2 {
            spaces.push(relay.team(&[(&ada, Role::Editor)]).await);
        }
        let (device, _) = Device::online(relay.address, &ada.token).await;
        let (documents, ends) = (Vec::new(), BTreeMap::new());
        let mut world = World { relay: &relay, ada: &ada, device, spaces, documents, ends };
        let (mut draws, mut watched) = (Draws(seed), Vec::new());
        for _ in 0..6 {
            let query = draws.query(&world.spaces);
            let stream = Watched::open(&relay, &ada, &format!("{FIND}/live?{}", url(&query))).await.unwrap();
            watched.push((query, stream));
        }
        for _ in 0..25 {
            for _ in 0..=draws.below(3) {
                world.step(&mut draws).await;
            }
            world.settled().await;
            let query = draws.query(&world.spaces);
            assert_eq!(world.asked(&query).await, world.fitting(&query), "seed {seed}: {query:?}");
            for (query, stream) in &mut watched {
                let mut page = found(&find(&relay, &ada, &url(query)).await);
                page.iter_mut().for_each(|one| drop(one.as_object_mut().unwrap().remove("position")));
                stream.until(&page).await;
            }
        }
    }
}
