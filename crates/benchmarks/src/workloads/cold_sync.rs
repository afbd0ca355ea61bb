//! A new device fetches a thousand documents.

use std::time::Instant;

use anyhow::Result;
use editor_vault::ListFilter;

use super::connected;
use crate::Bench;
use crate::report::{Line, time};

const DOCUMENTS: usize = 1_000;

pub(crate) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let relay = bench.relay()?;
    let ada = relay.account("ada")?;
    let first = connected(&bench.path("first"), &relay.url(), &ada.token)?;
    let mut last = None;
    for number in 0..DOCUMENTS {
        let note = first.create("note", Some(&format!("Note {number}")), None)?;
        let body = format!("A note of some length, number {number}. ").repeat(10);
        last = Some(note.edit_deferred(|draft| draft.splice("/body", 0, 0, &body))?.1);
    }
    if let Some(ticket) = last {
        ticket.wait()?;
    }
    first.flush()?;
    first.wait_until_settled(super::PATIENCE)?;

    let began = Instant::now();
    let second = connected(&bench.path("second"), &relay.url(), &ada.token)?;
    let took = began.elapsed();
    let arrived = second.list(&ListFilter::default())?.len();
    anyhow::ensure!(arrived >= DOCUMENTS, "only {arrived} of {DOCUMENTS} documents arrived");
    Ok(vec![
        Line::new(format!("{DOCUMENTS} documents to a new device"))
            .figure(format!("{} until settled", time(took)))
            .rate(DOCUMENTS, took, "documents"),
    ])
}
