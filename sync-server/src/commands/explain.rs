//! `sync-server explain`: why a document is in the state it is in.

use std::process::ExitCode;

use sync_wire::DocumentId;

use super::{Admin, CommandError, Outcome, say, space};
use crate::explain::Explained;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id of the space, or its name if only one space has it
    space: String,
    /// Id of the document
    document: DocumentId,
    /// Write the explanation as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(admin: Admin, args: Args) -> Outcome {
    let space = space::find(&admin, &args.space).await?;
    let explained = Explained::of(&admin.storage, space.id, args.document).await;
    let explained = explained.map_err(|error| CommandError::new(error.code(), error.to_string()))?;
    if args.json {
        say(format_args!("{:#}", explained.json()))?;
    } else {
        say(explained.text())?;
    }
    Ok(ExitCode::SUCCESS)
}
