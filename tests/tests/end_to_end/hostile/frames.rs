//! Real frames with something wrong in them, sent by a member of the team on good connections to a live relay, while
//! others work. `HOSTILE_FRAMES` and `HOSTILE_SEED` ask for more, as `cargo xtask hostile` does.

use std::io::{BufReader, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use document::Document;
use document::forge::poison::{CORPUS, Ground};
use sync_wire::log::EntryKind;
use sync_wire::{
    Actor, BatchId, Blob, Chain, ChangeHash, Checkpoint, Confirm, Content, DeviceFrame, DeviceId, DocumentId, Entry,
    Offer, OfferPart, Position, Push, Run, ShowPresence, Welcome, decode_device_frame, encode_device_frame,
};
use system_tests::{Account, Chance, Relay};

use super::guest::{beginning, greet, hello, id};
use super::wanted;
use crate::socket::{binary, next_binary};
use crate::world::{World, eventually, same_settings};

/// In an ordinary test run.
const FRAMES: u64 = 60_000;
const FRAMES_EACH: u64 = 24;
const ATTACKERS: u64 = 3;

#[test]
fn real_frames_with_anything_wrong_in_them_harm_nobody_but_their_sender() -> Result<()> {
    let (wanted, seed) = (wanted("HOSTILE_FRAMES", FRAMES)?, Chance::of_environment("HOSTILE_SEED")?.seed());
    let world = World::new()?;
    let (ada, laptop, desktop) = world.two_devices()?;
    let (mallory, team) = (world.relay.account("mallory")?, world.relay.space("The band")?);
    for account in [&ada, &mallory] {
        world.relay.grant(&team, account, "editor")?;
    }
    laptop.sync()?; // and hears of the team
    laptop.ok(&["new", "note", "Set list", "--space", &team])?;
    let tally = Tally::default();
    let told = || format!("frames of seed {seed}");
    let edits = std::thread::scope(|scope| -> Result<u64> {
        let attack = |number| {
            let attacker = Attacker::new(seed + number, &mallory);
            scope.spawn(|| attacker.attack(&world.relay, wanted, &tally))
        };
        let attacking: Vec<_> = (0..ATTACKERS).map(attack).collect();
        let mut edits = 0;
        while !attacking.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            laptop.ok(&["set", "settings", &format!("honest{edits}"), "true"])?;
            laptop.append("Set list", "one song\n")?;
            laptop.sync()?;
            edits += 1;
        }
        attacking.into_iter().try_for_each(|attacker| attacker.join().expect("no attacker panics"))?;
        Ok(edits)
    })
    .with_context(told)?;
    desktop.sync()?;
    let merged = same_settings(&laptop, &desktop)?;
    ensure!((0..edits).all(|edit| merged.contains(&format!("honest{edit}"))), "an edit is lost: {merged}");
    let songs = desktop.ok(&["show", "Set list"])?.matches("one song").count() as u64;
    ensure!(songs == edits, "{songs} of {edits} songs, {}", told());
    ensure!(laptop.pending()? == 0, "the laptop has something to send, {}", told());
    for device in [&laptop, &desktop] {
        device.ok(&["verify"]).with_context(told)?;
    }
    let logged = world.relay.logged();
    ensure!(!logged.contains("panicked"), "{}: {logged}", told());
    let verified = world.relay.admin(&["verify"])?;
    ensure!(verified.ends_with("nothing is wrong"), "{verified}, {}", told());
    let [sent, sound, connections] = [&tally.sent, &tally.sound, &tally.connections].map(|n| n.load(Ordering::Relaxed));
    // Not with `eprintln!`, which the test harness would swallow.
    writeln!(
        std::io::stderr(),
        "frames with something wrong: {sent}, of which {sound} are frames nevertheless, on {connections} connections, \
         beside {edits} honest edits, lost 0 (seed {seed})"
    )
    .context("standard error is gone")
}

#[derive(Debug, Default)]
struct Tally {
    sent: AtomicU64,
    /// Those that the decoder takes, so that a machine has to judge them.
    sound: AtomicU64,
    connections: AtomicU64,
}

/// One who sends them, a connection after the other.
struct Attacker<'a> {
    chance: Chance,
    token: &'a str,
    device: DeviceId,
}

impl<'a> Attacker<'a> {
    fn new(seed: u64, mallory: &'a Account) -> Self {
        Self { chance: Chance::seeded(seed), token: &mallory.token, device: DeviceId(id(0x3a, seed)) }
    }

    fn attack(mut self, relay: &Relay, wanted: u64, tally: &Tally) -> Result<()> {
        while tally.sent.load(Ordering::Relaxed) < wanted {
            let mut greeted = None;
            eventually("the relay lets him in again", || {
                greeted = greet(relay.address(), self.token, self.device, Vec::new()).ok();
                Ok(greeted.is_some())
            })?;
            let (mut socket, welcome) = greeted.context("waited for")?;
            tally.connections.fetch_add(1, Ordering::Relaxed);
            let seeds = self.frames(&welcome)?;
            let is_refused = (0..FRAMES_EACH).any(|_| {
                let frame = self.wrong(&seeds);
                let is_sound = decode_device_frame(&frame).is_ok();
                tally.sent.fetch_add(1, Ordering::Relaxed);
                tally.sound.fetch_add(u64::from(is_sound), Ordering::Relaxed);
                socket.write_all(&binary(&frame)).is_err() || !is_sound
            });
            if !is_refused {
                // Said goodbye, as a WebSocket does, so that the relay judges all of it first.
                let _ = socket.write_all(&[0x88, 0x80, 0, 0, 0, 0]);
            }
            // Until the relay has judged all of it, and closes in good order or not.
            let mut reader = BufReader::new(socket);
            while let Ok(Some(_)) = next_binary(&mut reader) {}
        }
        Ok(())
    }

    /// What a device might say now: sound frames of every kind, and some poison.
    fn frames(&mut self, welcome: &Welcome) -> Result<Vec<Vec<u8>>> {
        let mut frames = vec![hello(self.device, welcome.grants.iter().map(beginning).collect())];
        let number = self.chance.below(1 << 40);
        for (grant, at) in welcome.grants.iter().zip(0..) {
            let (space, document) = (grant.space, DocumentId(id(0xd0 + at, number % 64)));
            let mut push = |content| {
                let batch = BatchId(id(0xb0 + at, self.chance.below(u64::MAX)));
                frames.push(DeviceFrame::Push(Push { space, document, lane: 0, batch, content }));
            };
            let (ground, base) = Ground::make(Actor(id(0xa0 + at, number % 64)), Actor(id(0xa8, number)));
            push(Content::Changes(changes(number)?));
            push(Content::Changes(vec![base.clone()]));
            push(Content::Changes([&[base][..], &(CORPUS[number as usize % 16].make)(&ground)].concat()));
            push(Content::Tombstone(ground.heads));
            let position = grant.end.position;
            frames.push(DeviceFrame::Confirm(Confirm { space, position, frames: 1 }));
            let checkpoint = Checkpoint { position, chain: Chain([7; 32]) };
            frames.push(DeviceFrame::Offer(Offer { space, part: OfferPart::Checkpoints(vec![checkpoint]) }));
            let entry = Entry {
                kind: EntryKind::Change,
                document,
                hash: ChangeHash([8; 32]),
                device: self.device,
                batch: BatchId(id(0xbb, number)),
                bytes: changes(number + 1)?.pop(),
                heads: None,
            };
            let (after, upto) = (position, Position(position.0 + 1));
            let run = Run { after, upto, epoch: grant.end.epoch, entries: vec![entry], voucher: None };
            frames.push(DeviceFrame::Offer(Offer { space, part: OfferPart::Run(run) }));
            let content = Some(vec![b'x'; 1 + number as usize % 1024].into());
            frames.push(DeviceFrame::Presence(ShowPresence { space, document, content }));
        }
        Ok(frames.iter().map(encode_device_frame).collect())
    }

    /// One of them with something wrong in it, and mostly a frame nevertheless: what is none ends the connection.
    fn wrong(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let may_be_none = self.chance.below(FRAMES_EACH) == 0;
        loop {
            let frame = self.mutated(seeds);
            if may_be_none || decode_device_frame(&frame).is_ok() {
                return frame;
            }
        }
    }

    /// One of them, with up to three things changed.
    fn mutated(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let pick = |chance: &mut Chance| seeds[chance.below(seeds.len() as u64) as usize].clone();
        let mut frame = pick(&mut self.chance);
        for _ in 0..self.chance.below(4) {
            if frame.is_empty() {
                break;
            }
            let at = self.chance.below(frame.len() as u64) as usize;
            let end = (at + 1 + self.chance.below(24) as usize).min(frame.len());
            match self.chance.below(8) {
                0..3 => frame[at] ^= 1 << self.chance.below(8),
                3 => frame[at] = [0, 1, 0x17, 0x7f, 0x80, 0xff][self.chance.below(6) as usize],
                4 => drop(frame.drain(at..end)),
                5 => frame.splice(at..at, frame[at..end].to_vec()).for_each(drop),
                6 => frame.truncate(at),
                _ => {
                    let other = pick(&mut self.chance);
                    frame.truncate(at);
                    frame.extend(&other[at.min(other.len())..]);
                }
            }
        }
        frame
    }
}

fn changes(number: u64) -> Result<Vec<Blob>> {
    let mut document = Document::new(None);
    document.edit(Actor(id(0xaa, number)), |draft| draft.put("/k", number.into()))?;
    let sealed = document.seal(0)?.context("an edit makes a change")?;
    Ok(sealed.seeds.into_iter().chain(sealed.changes).map(|change| change.bytes).collect())
}
