//! Entries that no log ever had, offered as if the relay had lost them, in the name of others.

use document::forge::{Forged, put};
use sync_wire::limits::WIRE_VERSION;
use sync_wire::log::{EntryIdentity, EntryKind, Receipt};
use sync_wire::{
    BatchId, Chain, Checkpoint, Cursor, DeviceFrame, Entry, Grant, Hello, LogPosition, Offer, OfferPart, Position, Run,
    VersionRange, Voucher, encode_device_frame,
};

use super::Attacker;

/// Key ids that relays have, and one that none has.
const KEYS: [u32; 2] = [1, 9];

impl Attacker {
    /// The first frame of a connection: it claims to stand where the log never was.
    pub fn greet_from_elsewhere(&mut self) -> Vec<u8> {
        let Some(Grant { end, .. }) = self.log.clone() else { return self.greet() };
        self.lanes.clear();
        let at = LogPosition { position: Position(end.position.0 + self.rng.below(3)), ..end };
        let cursor = Cursor { space: self.team, at, chain: Chain(self.bytes()), bootstrap: None };
        let versions = VersionRange { oldest: WIRE_VERSION, newest: WIRE_VERSION };
        let hello = Hello {
            versions,
            device: self.device,
            agent: "restored, really".to_owned(),
            cursors: vec![cursor],
            attempt: None,
        };
        encode_device_frame(&DeviceFrame::Hello(hello))
    }

    /// What it gives back: an edit under another device, with chains that fit and a receipt of its own making.
    pub fn offer(&mut self) -> Vec<Vec<u8>> {
        let Some((log, run)) = self.forged_run() else { return vec![self.greet()] };
        let checkpoints = vec![Checkpoint { position: log.end.position, chain: Chain(self.bytes()) }];
        let parts = [OfferPart::Checkpoints(checkpoints), OfferPart::Run(run), OfferPart::Done];
        parts.map(|part| encode_device_frame(&DeviceFrame::Offer(Offer { space: self.team, part }))).to_vec()
    }

    fn forged_run(&mut self) -> Option<(Grant, Run)> {
        let log = self.log.clone()?;
        let (document, heads, max_op) = self.some_document()?;
        let known = &self.documents[&document];
        let device = known.devices[self.rng.index(known.devices.len())];
        let bytes = Forged::by(self.actor(), 1, max_op + 1, &heads, vec![put("/given", "back")]).blob();
        let (kind, hash) = (EntryKind::Change, document::Header::parse(&bytes).ok()?.hash);
        let batch = BatchId(self.bytes());
        let digest = EntryIdentity { kind, document, hash, device, batch }.digest(&log.salt);
        let (before, after) = (Chain(self.bytes()), log.end.position);
        let receipt = Receipt { key: KEYS[self.rng.index(2)], mac: self.bytes() };
        let voucher = Voucher { before, chain: before.extend(&digest), receipt };
        let entries = vec![Entry { kind, document, hash, device, batch, bytes: Some(bytes), heads: None }];
        let run = Run { after, upto: after.next(), epoch: log.end.epoch, entries, voucher: Some(voucher) };
        Some((log, run))
    }
}
