//! Authors with a space each: what one of them may see is carried into his space, batch by batch, by a device that
//! speaks for all the others. So the logs have the same changes at the end, each in an order of its own.

use std::time::{Duration, Instant};

use anyhow::Result;
use sync_wire::DeviceId;
use system_tests::Relay;
use tokio::runtime::Runtime;

use super::author::Author;
use crate::device::{Device, Login, id};
use crate::workloads::runtime;

/// A relay gives up a device that is silent for longer; see `sync_wire::limits::DEAD_AFTER`.
const SILENT_MAX: Duration = Duration::from_secs(20);

pub(super) struct Spaces<'a> {
    relay: &'a Relay,
    runtime: Runtime,
    carriers: Vec<Carrier>,
}

/// Pushes into the space of one author what the others wrote.
struct Carrier {
    login: Login,
    device: Device,
    used: Instant,
    /// How many batches of each author it has brought.
    brought: Vec<usize>,
    /// How many batches it has pushed.
    number: u32,
}

impl<'a> Spaces<'a> {
    /// For the authors who log in with these tokens.
    pub(super) fn connect(relay: &'a Relay, tokens: &[String]) -> Result<Self> {
        let runtime = runtime()?;
        let carrier = |(number, token): (usize, &String)| {
            let login = Login::new(DeviceId(id(40, number)), token);
            let device = runtime.block_on(Device::connect(relay, login.clone()))?;
            Ok(Carrier { login, device, used: Instant::now(), brought: vec![0; tokens.len()], number: 0 })
        };
        let carriers = tokens.iter().enumerate().map(carrier).collect::<Result<_>>()?;
        Ok(Self { relay, runtime, carriers })
    }

    /// Brings an author so many runs of each other.
    pub(super) fn bring(&mut self, authors: &mut [Author], to: usize, runs: &[usize]) -> Result<()> {
        let wanted: Vec<_> = authors.iter().zip(runs).map(|(author, runs)| author.batches_after(*runs)).collect();
        self.bring_batches(authors, to, &wanted)
    }

    /// Brings every author everything.
    pub(super) fn bring_everything(&mut self, authors: &mut [Author]) -> Result<()> {
        let all: Vec<_> = authors.iter().map(Author::batches).collect();
        (0..authors.len()).try_for_each(|to| self.bring_batches(authors, to, &all))
    }

    fn bring_batches(&mut self, authors: &mut [Author], to: usize, wanted: &[usize]) -> Result<()> {
        let carrier = &mut self.carriers[to];
        let mut batches = Vec::new();
        for (from, author) in authors.iter_mut().enumerate().filter(|(from, _)| *from != to) {
            let (first, end) = (carrier.brought[from], wanted[from]);
            if first < end {
                batches.extend(author.pushed(first, end)?);
                carrier.brought[from] = end;
            }
        }
        if batches.is_empty() {
            return Ok(());
        }
        // What the others wrote may rest on what this one wrote, so that has to be in the log.
        authors[to].vault.wait_until_settled(crate::workloads::PATIENCE)?;
        batches.sort_by_key(|(order, _)| *order);
        if carrier.used.elapsed() > SILENT_MAX {
            carrier.device = self.runtime.block_on(Device::connect(self.relay, carrier.login.clone()))?;
        }
        let note = authors.iter().find_map(|author| author.note().ok()).map(editor_vault::Document::id);
        let Some(note) = note else { return Ok(()) };
        let numbers = carrier.number..;
        let frames: Vec<_> =
            numbers.zip(batches).map(|(number, (_, changes))| carrier.device.frame(note, number, changes)).collect();
        self.runtime.block_on(carrier.device.push(&frames))?;
        carrier.number += u32::try_from(frames.len())?;
        carrier.used = Instant::now();
        Ok(())
    }
}
