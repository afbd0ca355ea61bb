//! A device connects again, and nothing is new: counted on the wire.

use std::time::Instant;

use anyhow::Result;
use system_tests::{Traffic, Wire};

use super::connected;
use crate::Bench;
use crate::report::{Line, Times};

const DOCUMENTS: usize = 100;

pub(crate) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let relay = bench.relay()?;
    let ada = relay.account("ada")?;
    let wire = Wire::to(relay.address())?;
    let vault = connected(&bench.path("vault"), &wire.url(), &ada.token)?;
    for number in 0..DOCUMENTS {
        vault.create("note", Some(&format!("Note {number}")), None)?;
    }
    vault.wait_until_settled(super::PATIENCE)?;
    vault.disconnect();

    let mut times = Times::new();
    let rounds = bench.effort.pick(20, 200);
    let before = (wire.up(), wire.down());
    for _ in 0..rounds {
        let began = Instant::now();
        connected(&bench.path("vault"), &wire.url(), &ada.token).map(|vault| vault.disconnect())?;
        times.add(began.elapsed());
    }
    let each = |total: Traffic| {
        let rounds = rounds as u64;
        format!("{} frame(s) and {} bytes", total.frames / rounds, total.bytes / rounds)
    };
    Ok(vec![
        Line::new(format!("{DOCUMENTS} documents, nothing new"))
            .figure(format!("up {}", each(wire.up() - before.0)))
            .figure(format!("down {}, HTTP upgrade included", each(wire.down() - before.1)))
            .times("settled", &times),
    ])
}
