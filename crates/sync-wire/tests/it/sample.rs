//! One frame of every kind, with names under which `docs/protocol.md` shows its bytes.

use sync_wire::log::{EntryKind, Receipt};
use sync_wire::*;

const SPACE: SpaceId = SpaceId([0x11; 16]);
const DOCUMENT: DocumentId = DocumentId([0x22; 16]);
const DEVICE: DeviceId = DeviceId([0x33; 16]);
const BATCH: BatchId = BatchId([0x44; 16]);
const EPOCH: Epoch = Epoch([0x55; 8]);
const CHAIN: Chain = Chain([0x66; 32]);
const HASH: ChangeHash = ChangeHash([0x77; 32]);
const RECEIPT: Receipt = Receipt { key: 1, mac: [0x88; 32] };

const fn at(position: u64) -> LogPosition {
    LogPosition { epoch: EPOCH, position: Position(position) }
}

fn entry(bytes: Option<Blob>) -> Entry {
    Entry { kind: EntryKind::Change, document: DOCUMENT, hash: HASH, device: DEVICE, batch: BATCH, bytes, heads: None }
}

fn grant(resume: Resume) -> Grant {
    Grant {
        space: SPACE,
        kind: SpaceKind::Personal,
        role: Role::Owner,
        name: "ada".into(),
        salt: Salt([0x99; 32]),
        access_version: 3,
        end: at(12),
        resume,
    }
}

/// A change is excluded; of two that rest on it, one has a replacement.
pub(crate) fn void() -> Void {
    let dependents = vec![
        Dependent { change: ChangeHash([0x78; 32]), by: Some(HASH) },
        Dependent { change: ChangeHash([0x79; 32]), by: None },
    ];
    Void { excluded: vec![ChangeHash([0x7a; 32])], dependents }
}

fn void_entry() -> Entry {
    let payload = void().encode();
    let hash = Void::hash(&payload, SPACE, DOCUMENT, BATCH);
    Entry { kind: EntryKind::Void, hash, device: DeviceId([0; 16]), ..entry(Some(payload)) }
}

pub(crate) fn device_frames() -> Vec<(&'static str, DeviceFrame)> {
    let versions = VersionRange { oldest: 1, newest: 1 };
    let hello = |cursors| {
        DeviceFrame::Hello(Hello { versions, device: DEVICE, agent: "vault/0.1.0".into(), cursors, attempt: None })
    };
    let bootstrap = Some(BootstrapPoint { at: Position(10), after: Some(DOCUMENT) });
    let push =
        |lane, content| DeviceFrame::Push(Push { space: SPACE, document: DOCUMENT, lane, batch: BATCH, content });
    let offer = |part| DeviceFrame::Offer(Offer { space: SPACE, part });
    let run = Run {
        after: Position(12),
        upto: Position(13),
        epoch: EPOCH,
        entries: vec![entry(Some(vec![0xde, 0xad].into()))],
        voucher: Some(Voucher { before: CHAIN, chain: CHAIN, receipt: RECEIPT }),
    };
    let presence = |content| DeviceFrame::Presence(ShowPresence { space: SPACE, document: DOCUMENT, content });
    vec![
        ("hello-new-device", hello(Vec::new())),
        ("hello-resuming", hello(vec![Cursor { space: SPACE, at: at(12), chain: CHAIN, bootstrap }])),
        ("push-changes", push(0, Content::Changes(vec![vec![0xde, 0xad].into(), vec![0xbe, 0xef].into()]))),
        ("push-tombstone", push(1, Content::Tombstone(vec![HASH]))),
        ("push-restore", push(0, Content::Restore)),
        ("confirm", DeviceFrame::Confirm(Confirm { space: SPACE, position: Position(12), frames: 1 })),
        ("offer-checkpoints", offer(OfferPart::Checkpoints(vec![Checkpoint { position: Position(12), chain: CHAIN }]))),
        ("offer-run", offer(OfferPart::Run(run))),
        ("offer-done", offer(OfferPart::Done)),
        ("presence-shown", presence(Some(br#"{"line":3}"#.to_vec().into()))),
        ("presence-hidden", presence(None)),
    ]
}

pub(crate) fn relay_frames() -> Vec<(&'static str, RelayFrame)> {
    let (space, document, batch) = (SPACE, DOCUMENT, BATCH);
    let snapshot = SnapshotPart {
        covers: Position(4),
        heads: vec![HASH],
        changes: 4,
        digest: [0xaa; 32],
        total_bytes: 2,
        offset: 0,
        bytes: vec![0x85, 0x6f].into(),
        voids: None,
    };
    let positioned = PositionedEntry { position: Position(5), entry: entry(Some(vec![0xde].into())) };
    let bootstrap_document =
        BootstrapDocument { document, snapshot: Some(snapshot), entries: vec![positioned], complete: true };
    let resume = Resume::Bootstrap { at: Position(12), chain: CHAIN };
    let tombstone = Entry { kind: EntryKind::Tombstone, heads: Some(vec![HASH]), ..entry(None) };
    let presence = |content| {
        RelayFrame::Presence(Presence { space, document, account: AccountId([0xbb; 16]), device: DEVICE, content })
    };
    vec![
        (
            "welcome",
            RelayFrame::Welcome(Welcome {
                version: 1,
                account: AccountId([0xbb; 16]),
                grants: vec![grant(Resume::Continue)],
                limits_version: 7,
            }),
        ),
        (
            "deliver",
            RelayFrame::Deliver(Deliver {
                space,
                after: at(10),
                entries: vec![entry(None), tombstone],
                chain: CHAIN,
                receipt: RECEIPT,
            }),
        ),
        (
            "deliver-void",
            RelayFrame::Deliver(Deliver {
                space,
                after: at(10),
                entries: vec![void_entry(), entry(Some(vec![0xde, 0xad].into()))],
                chain: CHAIN,
                receipt: RECEIPT,
            }),
        ),
        (
            "bootstrap",
            RelayFrame::Bootstrap(Bootstrap {
                space,
                at: at(12),
                documents: vec![bootstrap_document],
                done: true,
                receipt: Some(RECEIPT),
            }),
        ),
        (
            "ack",
            RelayFrame::Ack(Ack {
                space,
                document,
                batch,
                at: Some(at(13)),
                proof: Some(Proof { chain: CHAIN, receipt: RECEIPT }),
            }),
        ),
        ("ack-stored", RelayFrame::Ack(Ack { space, document, batch, at: None, proof: None })),
        (
            "refuse",
            RelayFrame::Refuse(Refuse {
                space,
                document,
                batch,
                culprit: Some(HASH),
                code: FateCode::EQUIVOCATION,
                detail: "two changes have this number".into(),
            }),
        ),
        (
            "park",
            RelayFrame::Park(Park {
                space,
                document,
                batch,
                code: FateCode::GRANT,
                judged_by: 3,
                detail: "viewers do not write".into(),
            }),
        ),
        ("need", RelayFrame::Need(Need { space, document, batch, hashes: vec![HASH] })),
        ("skipped", RelayFrame::Skipped(Skipped { space, document, batch })),
        ("grant-given", RelayFrame::GrantChanged(GrantChanged { space, grant: Some(grant(resume)) })),
        ("grant-taken", RelayFrame::GrantChanged(GrantChanged { space, grant: None })),
        ("grant-offer", RelayFrame::GrantChanged(GrantChanged { space, grant: Some(grant(Resume::Offer)) })),
        ("grant-from", {
            let resume = Resume::From { at: Position(12), chain: CHAIN };
            RelayFrame::GrantChanged(GrantChanged { space, grant: Some(grant(resume)) })
        }),
        ("wanted", RelayFrame::Wanted(Wanted { space, after: Position(12), taken: 1 })),
        ("presence-of-another", presence(Some(br#"{"line":3}"#.to_vec().into()))),
        ("presence-gone", presence(None)),
        ("limits-changed", RelayFrame::LimitsChanged(LimitsChanged { limits_version: 8 })),
        (
            "goodbye",
            RelayFrame::Goodbye(Goodbye {
                code: GoodbyeCode::SHUTTING_DOWN,
                retry_after_ms: 1500,
                detail: "the relay restarts".into(),
                attempt: None,
            }),
        ),
    ]
}
