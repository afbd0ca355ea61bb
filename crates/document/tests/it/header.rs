//! Our header parser and Automerge agree about honest changes; each limit holds exactly.

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{AutoCommit, ObjType, ROOT, ReadDoc as _, ScalarValue};
use document::{Change, Document, Header, canonical, limits};
use proptest::prelude::*;
use sync_wire::{Blob, FateCode};

use crate::forge::{Data, Forged, actor_id, chunk, deflated, put, uleb};

const TIME: i64 = limits::TIME_MAX as i64;

#[derive(Debug, Clone)]
enum Step {
    Put(u8, i64),
    PutText(u8, String),
    PutFloat(u8, f64),
    PutBytes(u8, Vec<u8>),
    Delete(u8),
    Count(i64),
    Insert(usize, String),
    Cut(usize, usize),
    Mark(usize, usize),
    ListItem(u8),
    Nest(u8),
    Commit(i64, String),
    Empty,
    Merge,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..6_u8, any::<i64>()).prop_map(|(key, value)| Step::Put(key, value)),
        (0..6_u8, ".{0,40}").prop_map(|(key, value)| Step::PutText(key, value)),
        (0..6_u8, any::<f64>()).prop_map(|(key, value)| Step::PutFloat(key, value)),
        (0..6_u8, proptest::collection::vec(any::<u8>(), 0..300)).prop_map(|(key, value)| Step::PutBytes(key, value)),
        (0..6_u8).prop_map(Step::Delete),
        (-1000..1000_i64).prop_map(Step::Count),
        (0..1000_usize, ".{0,30}").prop_map(|(at, text)| Step::Insert(at, text)),
        (0..1000_usize, 0..20_usize).prop_map(|(at, length)| Step::Cut(at, length)),
        (0..1000_usize, 0..20_usize).prop_map(|(at, length)| Step::Mark(at, length)),
        any::<u8>().prop_map(Step::ListItem),
        (0..6_u8).prop_map(Step::Nest),
        (-TIME..=TIME, "[ -~]{0,30}").prop_map(|(time, message)| Step::Commit(time, message)),
        Just(Step::Empty),
        Just(Step::Merge),
    ]
}

fn perform(replicas: &mut [AutoCommit; 2], turn: usize, step: &Step) {
    let [left, right] = replicas;
    let (document, other) = if turn == 0 { (left, right) } else { (right, left) };
    let object = |document: &AutoCommit, key: &str| document.get(ROOT, key).unwrap().unwrap().1;
    let text = object(document, "text");
    let length = document.length(&text);
    match step {
        Step::Put(key, value) => document.put(ROOT, format!("k{key}"), *value).unwrap(),
        Step::PutText(key, value) => document.put(ROOT, format!("k{key}"), value.as_str()).unwrap(),
        Step::PutFloat(key, value) => document.put(ROOT, format!("k{key}"), *value).unwrap(),
        Step::PutBytes(key, value) => document.put(ROOT, format!("k{key}"), value.clone()).unwrap(),
        Step::Delete(key) => document.delete(ROOT, format!("k{key}")).unwrap_or(()),
        Step::Count(by) => document.increment(ROOT, "counter", *by).unwrap(),
        Step::Insert(at, new) => document.splice_text(&text, at % (length + 1), 0, new).unwrap(),
        Step::Cut(at, count) => {
            let at = at % (length + 1);
            document.splice_text(&text, at, (*count).min(length - at) as isize, "").unwrap();
        }
        Step::Mark(at, count) if length > 0 => {
            let at = at % length;
            let mark = automerge::marks::Mark::new("bold".into(), true, at, (at + count).min(length));
            document.mark(&text, mark, automerge::marks::ExpandMark::Both).unwrap_or(());
        }
        Step::Mark(..) => {}
        Step::ListItem(value) => document.insert(object(document, "list"), 0, i64::from(*value)).unwrap(),
        Step::Nest(key) => {
            let inner = document.put_object(ROOT, format!("k{key}"), ObjType::Map).unwrap();
            document.put(&inner, "x", u64::MAX).unwrap();
        }
        Step::Commit(time, message) => {
            document.commit_with(CommitOptions::default().with_time(*time).with_message(message));
        }
        Step::Empty => {
            document.empty_change(CommitOptions::default().with_message("empty"));
        }
        Step::Merge => {
            document.merge(other).unwrap();
        }
    }
}

fn base() -> [AutoCommit; 2] {
    let mut left = AutoCommit::new().with_actor(actor_id(1));
    let text = left.put_object(ROOT, "text", ObjType::Text).unwrap();
    left.splice_text(&text, 0, 0, "hello world").unwrap();
    left.put_object(ROOT, "list", ObjType::List).unwrap();
    left.put(ROOT, "counter", ScalarValue::counter(3)).unwrap();
    left.commit();
    let right = left.fork().with_actor(actor_id(2));
    [left, right]
}

fn assert_agreement(change: &mut automerge::Change) {
    let ours = Header::parse(change.raw_bytes()).unwrap_or_else(|error| panic!("{error}: {:02x?}", change.raw_bytes()));
    assert_eq!(ours.hash.0, change.hash().0);
    assert_eq!(ours.actor.0, change.actor_id().to_bytes());
    assert_eq!((ours.seq, ours.start_op), (change.seq(), change.start_op().get()));
    assert_eq!((ours.ops, ours.max_op()), (change.len() as u64, change.max_op()));
    assert_eq!(
        ours.deps.iter().map(|hash| hash.0).collect::<Vec<_>>(),
        change.deps().iter().map(|h| h.0).collect::<Vec<_>>()
    );
    let message = change.message().filter(|message| !message.is_empty());
    assert_eq!((ours.time, ours.message.as_deref()), (change.timestamp(), message));
    let others: Vec<_> = change.other_actor_ids().iter().map(|actor| actor.to_bytes().to_vec()).collect();
    assert_eq!(ours.other_actors.iter().map(|actor| actor.0.to_vec()).collect::<Vec<_>>(), others);
    let raw = change.raw_bytes().to_vec();
    assert_eq!(canonical(&change.bytes()).unwrap(), raw, "the deflated form has the same canonical bytes");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_automerge_about_every_honest_change(
        steps in proptest::collection::vec((0..2_usize, step()), 1..40)
    ) {
        let mut replicas = base();
        for (turn, step) in &steps {
            perform(&mut replicas, *turn, step);
        }
        for replica in &mut replicas {
            let mut changes = replica.get_changes(&[]);
            changes.iter_mut().for_each(assert_agreement);
            // The guard takes every honest history, in one batch and one by one.
            let blobs: Vec<Blob> = changes.iter().map(|change| change.raw_bytes().to_vec().into()).collect();
            let (mut whole, mut stepwise) = (Document::new(None), Document::new(None));
            whole.apply(&blobs).unwrap();
            let steps: usize = blobs.chunks(3).map(|part| stepwise.apply(part).unwrap().new).sum();
            prop_assert_eq!(steps, blobs.len());
            prop_assert_eq!(whole.heads(), stepwise.heads());
            prop_assert_eq!(whole.value(), stepwise.value());
            Document::load(&whole.snapshot().unwrap()).unwrap();
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(at in 8..400_usize, flips in proptest::collection::vec(any::<u8>(), 1..5)) {
        let mut replicas = base();
        perform(&mut replicas, 0, &Step::Insert(3, "some more text".into()));
        let change = replicas[0].get_last_local_change().unwrap();
        let mut data = change.raw_bytes()[10..].to_vec();
        for (offset, flip) in flips.iter().enumerate() {
            let length = data.len();
            data[(at + offset * 7) % length] ^= flip;
        }
        // The checksum is made right, so that the parser sees what is behind it.
        if let Ok(header) = Header::parse(&chunk(1, &data)) {
            prop_assert!(header.ops <= limits::OPS_MAX);
        }
        let _ = Header::parse(&data);
        let _ = canonical(&chunk(2, &data));
    }
}

#[test]
fn large_changes_agree_too() {
    let [mut document, _] = base();
    let text = document.get(ROOT, "text").unwrap().unwrap().1;
    document.splice_text(&text, 5, 0, &"lorem ipsum ".repeat(3000)).unwrap();
    document.commit();
    document.splice_text(&text, 2, 20_000, "").unwrap();
    document.commit();
    document.get_changes(&[]).iter_mut().for_each(assert_agreement);
}

#[track_caller]
fn check(bytes: &[u8], refusal: Option<&str>) {
    match (Change::parse(bytes.to_vec().into()), refusal) {
        (Ok(_), None) => {}
        (Err(error), Some(text)) => {
            assert!(error.to_string().contains(text), "{error}");
            assert_eq!(error.code(), FateCode::UNDECODABLE);
        }
        (found, expected) => panic!("expected {expected:?}, found {found:?}"),
    }
}

fn data(change: impl FnOnce(&mut Data)) -> Vec<u8> {
    let mut data = Data::run_of(1);
    change(&mut data);
    data.chunk()
}

#[test]
fn each_limit_holds_at_the_limit_and_not_one_past_it() {
    let deps = |count: usize| {
        data(|data| {
            data.deps = (0..count)
                .map(|n| {
                    let mut d = [0; 32];
                    d[..4].copy_from_slice(&(n as u32).to_be_bytes());
                    d
                })
                .collect()
        })
    };
    check(&deps(limits::DEPS_MAX), None);
    check(&deps(limits::DEPS_MAX + 1), Some("dependencies is 4097"));
    let others = |count: usize| data(|data| data.other_actors = vec![vec![3; 16]; count]);
    check(&others(limits::OTHER_ACTORS_MAX), None);
    check(&others(limits::OTHER_ACTORS_MAX + 1), Some("other actors is 4097"));
    let message = |length: usize| data(|data| data.message = vec![b'x'; length]);
    check(&message(limits::MESSAGE_BYTES_MAX), None);
    check(&message(limits::MESSAGE_BYTES_MAX + 1), Some("note in bytes is 1025"));
    let extra = |length: usize| data(|data| data.extra = vec![b'x'; length]);
    check(&extra(limits::EXTRA_BYTES_MAX), None);
    check(&extra(limits::EXTRA_BYTES_MAX + 1), Some("tail in bytes is 1025"));
    check(&Data::run_of(limits::OPS_MAX).chunk(), None);
    check(&Data::run_of(limits::OPS_MAX + 1).chunk(), Some("operations is 100001"));
    let last = |start_op: u64| data(|data| data.start_op = start_op);
    check(&last(limits::OP_COUNTER_MAX), None);
    check(&last(limits::OP_COUNTER_MAX + 1), Some("last operation counter"));
    let time = |time: i64| data(|data| data.time = time);
    check(&time(TIME), None);
    check(&time(-TIME), None);
    check(&time(TIME + 1), Some("time from 0 is 9007199254740993"));
    check(&time(i64::MIN), Some("time from 0"));
    let actor = |length: usize| data(|data| data.actor = vec![7; length]);
    check(&actor(15), Some("has 15 bytes"));
    check(&actor(17), Some("has 17 bytes"));
    check(&data(|data| data.other_actors = vec![vec![3; 15]]), Some("has 15 bytes"));
    check(&data(|data| data.seq = 0), Some("sequence number is 0"));
    check(&data(|data| data.start_op = 0), Some("start of operations is 0"));
}

#[test]
fn a_bomb_is_refused_before_it_is_expanded() {
    // 48 bytes that declare twenty million operations.
    check(&Data::run_of(20_000_000).chunk(), Some("operations is 20000000"));
    let zeros = |length: usize| {
        let mut bomb = Data::run_of(1);
        bomb.extra = vec![0; length];
        compressed(&bomb.encode())
    };
    check(&zeros(limits::CHANGE_INFLATED_BYTES_MAX), Some("inflated size"));
    let small = zeros(1000);
    check(&small, None);
    let preds = |each: u64| {
        data(|data| {
            data.columns[4].1 = vec![0x7f];
            uleb(&mut data.columns[4].1, each);
        })
    };
    check(&preds(limits::PREDS_MAX + 1), Some("predecessors is 400001"));
    check(&preds(u64::MAX), Some("predecessors"));
}

/// The data of a change that puts one text, of so many bytes in all.
fn data_of(bytes: usize) -> Vec<u8> {
    let with_text = |length: usize| {
        let mut data = Data::run_of(1);
        let mut meta = vec![0x7f];
        uleb(&mut meta, (length as u64) << 4 | 6);
        let at = data.columns.iter().position(|(spec, _)| *spec == 0x56).unwrap();
        data.columns[at].1 = meta;
        data.columns.insert(at + 1, (0x57, vec![b'a'; length]));
        data.encode()
    };
    let around = with_text(bytes - 64).len() - (bytes - 64);
    let data = with_text(bytes - around);
    assert_eq!(data.len(), bytes);
    data
}

fn compressed(data: &[u8]) -> Vec<u8> {
    deflated(&chunk(1, data), data)
}

#[test]
fn how_large_a_change_may_be_when_it_is_expanded_holds_exactly() {
    let most = limits::CHANGE_INFLATED_BYTES_MAX;
    check(&compressed(&data_of(most)), None);
    check(&compressed(&data_of(most + 1)), Some("inflated size in bytes is 16777217; at most 16777216"));
    check(&chunk(1, &data_of(most + 3)), None);
    check(&chunk(1, &data_of(most + 4)), Some("size in bytes is 16777233"));
}

#[test]
fn a_change_is_expanded_as_far_as_somebody_has_use_for_it() {
    let data = data_of(100_000);
    let plain = chunk(1, &data);
    for sent in [&plain, &compressed(&data)] {
        let within = |most: usize| Change::parse_within(sent.clone().into(), most).unwrap();
        assert_eq!(within(plain.len()).unwrap().bytes[..], plain[..]);
        assert!(within(plain.len() - 1).is_none());
    }
    // Whoever wants little of it hears all the same that it is larger than any change may be.
    let over = compressed(&data_of(limits::CHANGE_INFLATED_BYTES_MAX + 1));
    let error = Change::parse_within(over.into(), 1_000).unwrap_err().to_string();
    assert!(error.contains("inflated size in bytes is 16777217"), "{error}");
}

#[test]
fn what_is_not_exactly_one_sound_change_is_refused() {
    let sound = Data::run_of(1).chunk();
    check(&sound, None);
    check(b"", Some("not an Automerge chunk"));
    check(&sound[..8], Some("ends inside"));
    check(&sound[..sound.len() - 1], Some("ends inside"));
    check(&[&sound[..], b"x"].concat(), Some("1 bytes follow"));
    check(&chunk(0, &Data::run_of(1).encode()), Some("chunk type 0"));
    check(&chunk(3, &Data::run_of(1).encode()), Some("chunk type 3"));
    check(&chunk(2, b"\xff\xff\xff"), Some("does not inflate"));
    let mut flipped = sound.clone();
    flipped[4] ^= 0xff;
    check(&flipped, Some("checksum"));
    check(&data(|data| data.deps = vec![[1; 32], [1; 32]]), Some("ascend"));
    check(&data(|data| data.deps = vec![[2; 32], [1; 32]]), Some("ascend"));
    check(&data(|data| data.message = vec![0xff]), Some("UTF-8"));
    check(&data(|data| data.columns.swap(0, 1)), Some("out of order"));
    check(&data(|data| data.columns.insert(1, data.columns[0].clone())), Some("column 0x15"));
    check(&data(|data| data.columns[0].0 = 0x16), Some("column 0x16"));
    check(&data(|data| data.columns[0].0 |= 8), Some("column 0x1d"));
    check(&data(|data| data.columns[0].1.clear()), Some("column 0x15"));
    check(&data(|data| data.columns[1].1 = vec![2]), Some("the insert column has 2 values for 1"));
    check(&data(|data| data.columns[2].1 = vec![0x7f, 8]), Some("kind 8"));
    check(&data(|data| data.columns[2].1 = vec![0, 1]), Some("gap"));
    check(&data(|data| data.columns[3].1 = vec![0x7f, 0x10]), Some("the value column has 0 values for 1"));
    check(&data(|data| data.columns[4].1 = vec![0x7f, 1]), Some("the predecessor column has 0 values for 1"));
}

#[test]
fn a_change_of_one_operation_and_one_of_none_are_read() {
    let one = Header::parse(&Forged::new(1, 1, 1, &[], vec![put("a", 1)]).bytes()).unwrap();
    assert_eq!((one.ops, one.max_op()), (1, 1));
    let none = Header::parse(&Forged::new(1, 2, 2, &[one.hash], vec![]).bytes()).unwrap();
    assert_eq!((none.ops, none.max_op(), none.deps), (0, 1, vec![one.hash]));
}

#[test]
fn an_actor_of_a_seed_is_refused_unless_it_is_that_seed() {
    let mut forged = Forged::new(1, 1, 1, &[], vec![put("a", 1)]);
    forged.actor[..2].copy_from_slice(b"SD");
    forged.message = Some("seed text /body".into());
    check(&forged.bytes(), Some("reserved for seeds"));
}
