//! Edits in a team's space are safe at once and seen by others after their check; none of them delays another's.

use std::io::{BufReader, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, bail, ensure};
use document::Document;
use document::forge::poison::{CORPUS, Ground};
use sync_wire::limits::WIRE_VERSION;
use sync_wire::{
    Actor, BatchId, Blob, Content, DeviceFrame, DeviceId, DocumentId, FateCode, Hello, Push, RelayFrame, SpaceId,
    VersionRange, decode_relay_frame, encode_device_frame,
};

use crate::socket::{binary, next_binary, upgrade};
use crate::world::{World, eventually};

/// A program without a vault, connected.
struct Peer {
    socket: TcpStream,
    reader: BufReader<TcpStream>,
    team: SpaceId,
    batches: u8,
}

impl Peer {
    fn connect(world: &World, token: &str, team: SpaceId) -> Result<Self> {
        let (head, socket) = upgrade(world.relay.address(), token)?;
        ensure!(head.starts_with("HTTP/1.1 101"), "the upgrade was answered {head}");
        let reader = BufReader::new(socket.try_clone()?);
        let mut peer = Self { socket, reader, team, batches: 0 };
        let versions = VersionRange { oldest: WIRE_VERSION, newest: WIRE_VERSION };
        let (device, agent) = (DeviceId([0xe1; 16]), "by hand".to_owned());
        peer.send(&DeviceFrame::Hello(Hello { versions, device, agent, cursors: Vec::new(), attempt: None }))?;
        Ok(peer)
    }

    fn send(&mut self, frame: &DeviceFrame) -> Result<()> {
        Ok(self.socket.write_all(&binary(&encode_device_frame(frame)))?)
    }

    fn push(&mut self, document: DocumentId, changes: Vec<Blob>) -> Result<BatchId> {
        self.batches += 1;
        let batch = BatchId([self.batches; 16]);
        let content = Content::Changes(changes);
        self.send(&DeviceFrame::Push(Push { space: self.team, document, lane: 0, batch, content }))?;
        Ok(batch)
    }

    /// The first frame that `pick` takes; others are passed over.
    fn until<T>(&mut self, what: &str, mut pick: impl FnMut(RelayFrame) -> Option<T>) -> Result<T> {
        loop {
            let Some(bytes) = next_binary(&mut self.reader)? else { bail!("the relay closed before {what}") };
            if let Some(found) = decode_relay_frame(&bytes)?.and_then(&mut pick) {
                return Ok(found);
            }
        }
    }

    /// Waits until the relay says that it has a batch.
    fn stored(&mut self, wanted: BatchId) -> Result<()> {
        self.until("the ack", |frame| match frame {
            RelayFrame::Ack(ack) if ack.batch == wanted => Some(()),
            _ => None,
        })
    }
}

/// A note whose check takes a relay a good while: a long text of very many small pieces.
fn slow_note() -> Result<Vec<Blob>> {
    let mut note = Document::new(None);
    let text: String = ('a'..='z').cycle().take(40_000).collect();
    let actor = Actor([0xe2; 16]);
    let mut changes = Vec::new();
    note.edit(actor, |draft| draft.put("/name", "slow".into()))?;
    note.edit(actor, |draft| draft.put("/text", text.into()))?;
    for round in 0..10 {
        for at in 0..300 {
            note.edit(actor, |draft| draft.put(&format!("/{at}"), (round * 300 + at).into()))?;
        }
        let sealed = note.seal(0)?.context("an edit makes a change")?;
        changes.extend(sealed.seeds.into_iter().chain(sealed.changes).map(|change| change.bytes));
    }
    Ok(changes)
}

fn team(world: &World) -> Result<(String, SpaceId)> {
    let team = world.relay.space("The band")?;
    let id = team.parse().ok().context("a space has an id")?;
    Ok((team, id))
}

#[test]
fn a_slow_and_a_poisoned_document_delay_no_other() -> Result<()> {
    let world = World::new()?;
    let (team, id) = team(&world)?;
    let [ada, bob, eve] = ["ada", "bob", "eve"].map(|name| world.relay.account(name));
    let (ada, bob, eve) = (ada?, bob?, eve?);
    for account in [&ada, &bob, &eve] {
        world.relay.grant(&team, account, "editor")?;
    }
    let (hers, his) = (world.device_of(&ada, "hers")?, world.device_of(&bob, "his")?);
    let mut peer = Peer::connect(&world, &eve.token, id)?;
    let slow = peer.push(DocumentId([0xd1; 16]), slow_note()?)?;
    let (ground, base) = Ground::make(Actor([0xe3; 16]), Actor([0xe4; 16]));
    let poison = CORPUS.iter().find(|poison| poison.code == FateCode::DANGEROUS).context("the corpus has some")?;
    peer.push(DocumentId([0xd2; 16]), vec![base])?;
    let bad = peer.push(DocumentId([0xd2; 16]), (poison.make)(&ground))?;

    hers.ok(&["new", "note", "Set list", "--space", &team])?;
    hers.append("Set list", "one song\n")?;
    hers.sync()?;
    his.sync()?;
    assert!(his.ok(&["show", "Set list"])?.contains("one song"));
    assert_eq!(hers.pending()?, 0, "and it is synced, not only stored");

    // Each in its own time: the poison is refused unasked, the slow one has its place.
    let (mut is_refused, mut is_placed) = (false, false);
    peer.until("both fates", |frame| {
        match frame {
            RelayFrame::Refuse(refuse) => is_refused |= refuse.batch == bad && refuse.code == FateCode::DANGEROUS,
            RelayFrame::Deliver(deliver) => is_placed |= deliver.entries.iter().any(|entry| entry.batch == slow),
            _ => {}
        }
        (is_refused && is_placed).then_some(())
    })?;
    let shown = world.relay.admin(&["explain", &team, &DocumentId([0xd2; 16]).to_string()])?;
    assert!(shown.contains("dangerous"), "{shown}");
    world.relay.admin(&["doctor"])?;
    Ok(())
}

#[test]
fn a_relay_that_is_killed_before_the_check_goes_on_and_nothing_stored_is_lost() -> Result<()> {
    let mut world = World::new()?;
    let (team, id) = team(&world)?;
    let (ada, eve) = (world.relay.account("ada")?, world.relay.account("eve")?);
    for account in [&ada, &eve] {
        world.relay.grant(&team, account, "editor")?;
    }
    let device = world.device_of(&ada, "hers")?;
    let mut peer = Peer::connect(&world, &eve.token, id)?;
    let slow = peer.push(DocumentId([0xd1; 16]), slow_note()?)?;
    peer.stored(slow)?;
    world.relay.kill();
    drop(peer);
    world.relay.start_again()?;
    // Its author never comes back, and everybody gets it.
    eventually("the stored note is in the log", || {
        device.sync()?;
        Ok(device.json(&["list", "--space", &team])?.as_array().is_some_and(|list| !list.is_empty()))
    })?;
    world.relay.admin(&["doctor"])?;
    world.relay.admin(&["verify"])?;
    Ok(())
}
