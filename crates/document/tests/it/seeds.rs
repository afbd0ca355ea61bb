//! Seeds never change between releases, and are what Automerge itself would write.

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, AutoCommit, ObjType, ROOT, ScalarValue};
use document::{Change, Header, Seed};

fn seeds() -> Vec<Seed> {
    vec![
        Seed::Root { type_name: "note".into() },
        Seed::Text { path: "/body".into() },
        Seed::Counter { path: "/items/a~1b/count".into() },
        Seed::Text { path: format!("/{}", "x".repeat(1023)) },
    ]
}

fn by_automerge(seed: &Seed) -> Vec<u8> {
    let mut document = AutoCommit::new().with_actor(ActorId::from(seed.actor().0));
    match seed {
        Seed::Root { type_name } => document.put(ROOT, "/", type_name.as_str()).unwrap(),
        Seed::Text { path } => drop(document.put_object(ROOT, format!("{path}\0text"), ObjType::Text).unwrap()),
        Seed::Counter { path } => document.put(ROOT, format!("{path}\0counter"), ScalarValue::counter(0)).unwrap(),
    }
    document.commit_with(CommitOptions::default().with_time(0).with_message(seed.message()));
    document.get_last_local_change().unwrap().raw_bytes().to_vec()
}

#[test]
fn a_seed_is_byte_for_byte_what_automerge_writes() {
    for seed in seeds() {
        assert_eq!(&seed.change().bytes[..], by_automerge(&seed), "{seed:?}");
    }
}

#[test]
fn a_seed_is_its_own_proof() {
    for seed in seeds() {
        let parsed = Change::parse(seed.change().bytes).unwrap();
        assert_eq!(parsed, seed.change());
        assert_eq!(Seed::of(&parsed.header), Some(seed));
    }
    let mut header = seeds()[1].change().header;
    header.message = Some("seed text /other".into());
    assert_eq!(Seed::of(&header), None);
}

#[test]
fn seeds_have_the_notes_and_actors_of_the_protocol() {
    assert_eq!(seeds()[0].message(), "seed root note");
    assert_eq!(seeds()[1].message(), "seed text /body");
    let hash = blake3::hash(b"seed\0/body\0text");
    assert_eq!(seeds()[1].actor().0[..2], [0x53, 0x44]);
    assert_eq!(seeds()[1].actor().0[2..], hash.as_bytes()[..14]);
    assert!(seeds().iter().all(|seed| Seed::is_seed_actor(&seed.actor())));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// If this fails, do not change the vectors: texts and counters made by earlier releases would be doubled.
#[test]
fn seeds_are_the_same_in_every_release() {
    let golden =
        [("seed root settings", GOLDEN_ROOT), ("seed text /body", GOLDEN_TEXT), ("seed counter /n", GOLDEN_COUNTER)];
    let seeds = [
        Seed::Root { type_name: "settings".into() },
        Seed::Text { path: "/body".into() },
        Seed::Counter { path: "/n".into() },
    ];
    for ((message, bytes), seed) in golden.into_iter().zip(seeds) {
        assert_eq!(seed.message(), message);
        assert_eq!(hex(&seed.change().bytes), bytes, "{message}");
        assert_eq!(Header::parse(&seed.change().bytes).unwrap(), seed.change().header);
    }
}

const GOLDEN_ROOT: &str = "\
    856f4a83681db58a0149001053447f6a3b6015fe46f4f5849b5478bb010100127365656420726f6f742073657474696e6773\
    00061503340142025603570870027f012f017f017f860173657474696e67737f00";
const GOLDEN_TEXT: &str = "\
    856f4a83f64634fe01440010534452b4be4273e828858fb6c4e8353d0101000f736565642074657874202f626f6479000515\
    0c34014202560270027f0a2f626f64790074657874017f047f007f00";
const GOLDEN_COUNTER: &str = "\
    856f4a83ae9569710147001053446c9b08f93980eac2373f7619772b0101000f7365656420636f756e746572202f6e000615\
    0c340142025602570170027f0a2f6e00636f756e746572017f017f18007f00";
