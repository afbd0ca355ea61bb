//! The crate's behaviour through its public door, with Automerge itself as the witness.

mod conflicts; // what a person has to settle
mod drafts;
mod header;
mod history;
mod leaves;
mod merging;
mod past;
mod poison;
mod preparation;
mod reauthor;
mod repair;
mod replica; // documents that exchange what they seal
mod sealing;
mod seeds;
mod snapshots;
mod speed;
mod squash;

use document::forge; // changes as an attacker would write them
