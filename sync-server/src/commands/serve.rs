//! `sync-server serve`: runs the relay until it is told to stop.

use std::process::ExitCode;

use tracing::{info, warn};

use super::{CommandError, Outcome, Place, say};
use crate::config::Flags;
use crate::data_directory;
use crate::logs;
use crate::server::Server;

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Logs as `text` or `json`
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

pub(super) fn run(place: &Place, args: Args) -> Outcome {
    let Args { listen, log_format } = args;
    let directory = data_directory::find_or_make(place.directory()?)?;
    let config = place.config(&directory, Flags { listen, log_format, ..Flags::default() })?;
    logs::begin(&config.log).map_err(|error| CommandError::new("config_invalid", error.to_string()))?;
    document::quiet_panics();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if config.server.threads > 0 {
        runtime.worker_threads(config.server.threads);
    }
    let runtime = runtime.enable_all().build()?;
    let outcome = runtime.block_on(async {
        let server = Server::open(directory, config).await?;
        // Before it says that it listens: whoever reads that may tell it to stop at once.
        let mut signals = Signals::listen();
        say(format_args!("listening on http://{}", server.address()))?;
        let stop = server.app().stop.clone();
        tokio::spawn(async move {
            signals.next().await;
            stop.cancel();
            signals.next().await;
            warn!("Told to stop twice: stopping at once");
            std::process::exit(1);
        });
        server.run().await;
        Ok(ExitCode::SUCCESS)
    });
    // A check that goes on must not keep a stopped relay alive.
    runtime.shutdown_background();
    outcome
}

/// What tells a process to stop.
#[cfg(unix)]
struct Signals(Option<[(tokio::signal::unix::Signal, &'static str); 2]>);

#[cfg(unix)]
impl Signals {
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => Self(Some([(terminate, "SIGTERM"), (interrupt, "SIGINT")])),
            (Err(error), _) | (_, Err(error)) => {
                warn!("Cannot listen for signals: {error}");
                Self(None)
            }
        }
    }

    async fn next(&mut self) {
        let Some([(terminate, term), (interrupt, int)]) = &mut self.0 else { return std::future::pending().await };
        let name = tokio::select! {
            _ = terminate.recv() => term,
            _ = interrupt.recv() => int,
        };
        info!("Stopping, because of {name}");
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Self {
        Self
    }

    async fn next(&mut self) {
        if let Err(error) = tokio::signal::ctrl_c().await {
            warn!("Cannot listen for signals: {error}");
            std::future::pending::<()>().await;
        }
        info!("Stopping");
    }
}
