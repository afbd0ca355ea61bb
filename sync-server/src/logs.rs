//! How the relay logs: on standard error, as text for people or JSON for machines. Never tokens, never content.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::Log;

/// Why logging cannot begin.
#[derive(Debug, thiserror::Error)]
#[error("log.filter = {filter:?}: {reason}")]
pub struct LogError {
    filter: String,
    reason: String,
}

/// Begins to log. To be called once, by the process.
///
/// # Errors
/// [`LogError`], for a filter that is not in the form of the `tracing` directives.
pub fn begin(config: &Log) -> Result<(), LogError> {
    let failed = |reason: String| LogError { filter: config.filter.clone(), reason };
    let filter = EnvFilter::try_new(&config.filter).map_err(|error| failed(error.to_string()))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let begun = if config.format == "json" { builder.json().try_init() } else { builder.try_init() };
    begun.map_err(|error| failed(error.to_string()))
}
