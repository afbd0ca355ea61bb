//! The parser of changes, which reads what peers say a change is before anything else does.

use document::forge::poison::{CORPUS, Ground};
use document::forge::{actor, chunk, deflated};
use document::{Header, canonical};

/// The first byte says what becomes of the others: a change as it is, or the content of a chunk whose checksum is
/// right, or of one that is compressed. A fuzzer would not find a checksum.
pub(crate) fn run(bytes: &[u8]) {
    let Some((form, content)) = bytes.split_first() else { return };
    let change = match form % 3 {
        0 => content.to_vec(),
        1 => chunk(1, content),
        _ => deflated(&chunk(1, content), content),
    };
    let header = canonical(&change).and_then(|plain| {
        let header = Header::parse(&plain)?;
        assert_eq!(canonical(&plain).as_deref(), Ok(&*plain), "what is canonical stays as it is");
        Ok(header)
    });
    if let Ok(header) = header {
        assert!(header.seq > 0 && header.start_op > 0, "{header:?}");
        assert!(header.deps.is_sorted(), "{header:?}");
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let (ground, base) = Ground::make(actor(1), actor(2));
    let poison = CORPUS.iter().flat_map(|poison| (poison.make)(&ground)).map(|change| change.to_vec());
    let changes = poison.chain([base.to_vec()]).filter(|change| change.len() < 4 << 10);
    // Behind magic, checksum, type and a length of one or two bytes is the content.
    changes
        .flat_map(|change| [[&[0], &change[..]].concat(), [&[1], change.get(10..).unwrap_or(&[])].concat()])
        .collect()
}
