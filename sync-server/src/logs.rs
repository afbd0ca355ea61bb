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

/// Automerge opens a span for each change that it applies, with the whole document as a field: written out, that costs
/// more than everything else the relay does. Whoever wants them names `automerge` in the filter.
const QUIET: &str = "automerge=warn";

/// Begins to log. To be called once, by the process.
///
/// # Errors
/// [`LogError`], for a filter that is not in the form of the `tracing` directives.
pub fn begin(config: &Log) -> Result<(), LogError> {
    let failed = |reason: String| LogError { filter: config.filter.clone(), reason };
    let filter = EnvFilter::try_new(directives(&config.filter)).map_err(|error| failed(error.to_string()))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A line that cannot be written, as on a full disk, would be lamented with `eprintln`, which then panics.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    let begun = if config.format == "json" { builder.json().try_init() } else { builder.try_init() };
    begun.map_err(|error| failed(error.to_string()))
}

fn directives(filter: &str) -> String {
    if filter.contains("automerge") { filter.to_owned() } else { format!("{QUIET},{filter}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn automerge_is_heard_only_if_it_is_named() {
        assert_eq!(directives("info"), "automerge=warn,info");
        assert_eq!(directives("warn,automerge=debug"), "warn,automerge=debug");
        assert!(EnvFilter::try_new(directives("")).is_ok());
    }
}
