//! `/healthz` (the process is alive) and `/readyz` (it can do its work). Neither needs a token, and neither says more
//! than that.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use file_systems::Room;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::warn;

use crate::api::problem::{ApiError, ApiResult, Code};
use crate::app::App;

/// How long storage may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an answer is repeated: nobody can make the disk busy by asking.
const REPEATED_FOR: Duration = Duration::from_secs(1);
const PROBE_NAME: &str = ".ready";

/// The last answer.
#[derive(Debug, Default)]
pub struct Readiness(Mutex<Option<(Instant, bool)>>);

/// The whole body.
#[derive(Debug, Serialize)]
pub struct HealthJson {
    status: &'static str,
}

/// `GET /healthz`
pub async fn alive() -> Json<HealthJson> {
    Json(HealthJson { status: "ok" })
}

/// `GET /readyz`
///
/// # Errors
/// [`Code::Unavailable`]; the log has the reason.
pub async fn ready(State(app): State<App>) -> ApiResult<Json<HealthJson>> {
    let mut last = app.readiness.0.lock().await;
    let is_ready = match *last {
        Some((at, is_ready)) if at.elapsed() < REPEATED_FOR => is_ready,
        _ => probe(&app).await,
    };
    *last = Some((Instant::now(), is_ready));
    if is_ready {
        return Ok(Json(HealthJson { status: "ok" }));
    }
    let error = ApiError::new(Code::Unavailable, "the relay cannot store anything at the moment; its log says why");
    Err(error.retry_after(Duration::from_secs(5)))
}

async fn probe(app: &App) -> bool {
    if app.stop.is_cancelled() {
        return false;
    }
    let answered = tokio::time::timeout(PATIENCE, try_probe(app)).await;
    match answered {
        Ok(Ok(())) => true,
        Ok(Err(why)) => {
            warn!("Not ready: {why}");
            false
        }
        Err(_) => {
            warn!("Not ready: storage did not answer within {PATIENCE:?}");
            false
        }
    }
}

async fn try_probe(app: &App) -> Result<(), String> {
    app.storage.access_version().await.map_err(|error| error.to_string())?;
    let (directory, free_bytes_min) = (app.directory.clone(), app.config.api.free_bytes_min);
    let probed = tokio::task::spawn_blocking(move || write_and_read(&directory, free_bytes_min)).await;
    probed.map_err(|error| error.to_string())?
}

/// Writes a small file beside the database and reads it back: a full or read-only disk shows at once.
fn write_and_read(directory: &Path, free_bytes_min: u64) -> Result<(), String> {
    let free = Room::of(directory).map_err(|error| format!("free space: {error}"))?.free;
    if free < free_bytes_min {
        return Err(format!("{free} bytes are free on {}; at least {free_bytes_min} are wanted", directory.display()));
    }
    let path = directory.join(PROBE_NAME);
    let probe = || -> std::io::Result<bool> {
        let mut file = std::fs::File::create(&path)?;
        file.write_all(b"ready")?;
        file.sync_all()?;
        let mut read = String::new();
        std::fs::File::open(&path)?.read_to_string(&mut read)?;
        std::fs::remove_file(&path)?;
        Ok(read == "ready")
    };
    match probe() {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("{} reads back as something else", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}
