//! Care of disk and file while the relay serves: how much room is left, whether an end in the middle left damage
//! behind, and once a week a look at everything that is kept.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use file_systems::{Access, Presence, Previous, Room};
use tracing::{error, info, warn};

use crate::app::App;
use crate::config::Care;
use crate::metrics;
use crate::types;

/// How often the disk is looked at. What can be written in between is little beside the reserve.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it is asked whether everything has to be looked at again.
const SCRUB_ASKED_EVERY: Duration = Duration::from_secs(600);
const DAY_SECONDS: u64 = 24 * 60 * 60;
/// When everything was looked at last: seconds since 1970, in digits.
const SCRUBBED_NAME: &str = "scrubbed";
/// The file that is there while a relay serves the directory.
const OPEN_NAME: &str = "serve.open";
/// Findings that are logged one by one.
const LOGGED_MAX: usize = 20;

/// Enters a data directory as the relay that serves it. None where that cannot be written down: then every end counts
/// as one in order.
#[must_use]
pub fn enter(directory: &Path) -> Option<Presence> {
    let entered = Presence::enter(&directory.join(OPEN_NAME));
    entered.inspect_err(|error| warn!("Cannot note that the relay runs: {error}")).ok()
}

/// Watches the room on the disk until the relay stops.
pub async fn watch_room(app: App) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            _ = every.tick() => {}
        }
        let directory = app.directory.clone();
        match app.runtime.blocking(move || Room::of(&directory)).await {
            Ok(Ok(room)) => app.gate.has_room(room.free, wanted(&app.config.care, room)),
            Ok(Err(error)) => warn!("Cannot see how much room {} has: {error}", app.directory.display()),
            Err(_) => {}
        }
    }
}

/// Bytes that have to be free.
fn wanted(care: &Care, room: Room) -> u64 {
    let share = (u128::from(room.total) * u128::from(care.reserve_percent) / 100) as u64;
    share.max(care.reserve_bytes_min).min(care.reserve_bytes_max)
}

/// Looks at the pages of the file if the last relay ended in the middle; then, now and then, at everything. To be run
/// on a thread that gives way.
pub async fn run(app: App, presence: Arc<Option<Presence>>) {
    if let Some(presence) = presence.as_ref().as_ref().filter(|presence| presence.previous() == Previous::Cut) {
        look_after_cut(&app, presence).await;
    }
    let mut every = tokio::time::interval(SCRUB_ASKED_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    every.tick().await; // not at once: a start has other things to do
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            _ = every.tick() => {}
        }
        if is_due(&app.directory, app.config.care.scrub_days) {
            scrub(&app).await;
        }
    }
}

async fn look_after_cut(app: &App, presence: &Presence) {
    let looked = tokio::select! {
        () = app.stop.cancelled() => return,
        looked = app.storage.check_pages() => looked,
    };
    match looked {
        Ok(findings) if findings.is_empty() => {
            app.overview.found(0);
            info!("The last relay did not end in order; the pages of its storage are sound");
            if let Err(error) = presence.looked() {
                warn!("The pages are looked at again at the next start: {error}");
            }
        }
        Ok(findings) => report(app, &findings),
        Err(error) => error!(error.code = error.code(), "Cannot look at the pages of the storage: {error}"),
    }
}

/// Reads and checks everything that is kept.
pub async fn scrub(app: &App) {
    let project = types::projecting(app.types.current());
    let verified = tokio::select! {
        () = app.stop.cancelled() => return,
        verified = app.storage.verify(None, &project) => verified,
    };
    match verified {
        Ok(verified) => {
            let (entries, documents) = (verified.entries, verified.documents);
            info!("Looked at {entries} entries of {documents} documents: {} findings", verified.findings.len());
            report(app, &verified.findings);
            let now = unix_seconds().to_string();
            let written = file_systems::replace(&scrubbed(&app.directory), now.as_bytes(), "new", Access::Owner);
            if let Err(error) = written {
                warn!("Everything is looked at again soon: {error}");
            }
        }
        Err(error) => error!(error.code = error.code(), "Cannot look at everything that is kept: {error}"),
    }
}

fn report(app: &App, findings: &[relay_storage::Finding]) {
    metrics::findings(findings.len());
    app.overview.found(findings.len());
    for finding in findings.iter().take(LOGGED_MAX) {
        error!(error.code = finding.code, "{}: {}; {}", finding.code, finding.detail, finding.remedy());
    }
    if findings.iter().any(relay_storage::Finding::is_of_pages) {
        app.gate.damaged();
    }
}

/// Whether it is so many days since everything was looked at; from the first start on if it never was.
fn is_due(directory: &Path, days: u64) -> bool {
    if days == 0 {
        return false;
    }
    let path = scrubbed(directory);
    let last = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let Some(last) = last else {
        // What is new has nothing that could have decayed.
        let written = file_systems::replace(&path, unix_seconds().to_string().as_bytes(), "new", Access::Owner);
        return written.is_err();
    };
    unix_seconds().saturating_sub(last) >= days.saturating_mul(DAY_SECONDS)
}

fn scrubbed(directory: &Path) -> std::path::PathBuf {
    directory.join(SCRUBBED_NAME)
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_a_share_of_the_disk_within_bounds() {
        let care = Care::default();
        let of = |total| wanted(&care, Room { free: 0, total });
        assert_eq!(of(1 << 30), 1 << 30, "at least");
        assert_eq!(of(100 << 30), 5 << 30, "a twentieth");
        assert_eq!(of(1 << 40), 8 << 30, "at most");
    }

    #[test]
    fn a_scrub_is_due_so_many_days_after_the_first_start_or_the_last_scrub() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_due(dir.path(), 7), "everything is new");
        let days_ago = |days: u64| (unix_seconds() - days * DAY_SECONDS).to_string();
        std::fs::write(scrubbed(dir.path()), days_ago(6)).unwrap();
        assert!(!is_due(dir.path(), 7));
        std::fs::write(scrubbed(dir.path()), days_ago(7)).unwrap();
        assert!(is_due(dir.path(), 7));
        assert!(!is_due(dir.path(), 0), "0 is never");
    }
}
