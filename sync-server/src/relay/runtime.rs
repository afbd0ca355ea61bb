//! Where work is done that takes its time: on threads beside those that serve, or, in a simulation, at once on the
//! caller's.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// How much background threads give way: on a busy machine they get about a tenth of what a serving thread gets, on an
/// idle one everything.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

thread_local! {
    static IS_BACKGROUND: Cell<bool> = const { Cell::new(false) };
}

/// See the file's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// Tokio's.
    Tokio,
    /// None: every future completes at its first poll.
    #[cfg(feature = "simulation")]
    Inline,
}

impl Runtime {
    /// Does work where it may take its time: here, on a background thread.
    ///
    /// # Errors
    /// What is known of its panic. (Without a runtime a panic goes to the caller.)
    pub async fn blocking<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
        match self {
            Self::Tokio if IS_BACKGROUND.get() => {
                catch_unwind(AssertUnwindSafe(work)).map_err(|_| "a background thread panicked".to_owned())
            }
            Self::Tokio => tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string()),
            #[cfg(feature = "simulation")]
            Self::Inline => Ok(work()),
        }
    }
}

impl Runtime {
    /// Waits for something until a time; whether it came. Without a runtime nothing else can happen meanwhile, so it
    /// does not.
    pub async fn within(self, until: Instant, what: impl Future<Output = ()>) -> bool {
        match self {
            Self::Tokio => tokio::time::timeout_at(until, what).await.is_ok(),
            #[cfg(feature = "simulation")]
            Self::Inline => false,
        }
    }
}

/// Whether a thread gives way to those that serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Nobody waits for it.
    GivesWay,
    /// It is one of them.
    Serves,
}

/// Runs a future on a thread of its own. Resolves when it has ended.
///
/// # Errors
/// No thread could be started.
pub fn in_background<F>(
    name: &str,
    priority: Priority,
    body: impl FnOnce() -> F + Send + 'static,
) -> io::Result<oneshot::Receiver<()>>
where
    F: Future<Output = ()>,
{
    let (alive, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        IS_BACKGROUND.set(true);
        if priority == Priority::GivesWay {
            give_way();
        }
        runtime.block_on(body());
        drop(alive);
    })?;
    Ok(ended)
}

/// On Linux niceness belongs to a thread; elsewhere it would be the whole process that gives way.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!("A background thread keeps its priority: {error}");
    }
}
