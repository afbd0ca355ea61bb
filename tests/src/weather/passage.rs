//! The bytes of one connection, one way: read as they come, drawn into pieces, each written when it is due.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant, sleep_until};

use super::{Partition, State, Weather};
use crate::Chance;

/// Pieces under way; the sender waits when there are more.
const PIECES_MAX: usize = 256;

/// One way.
pub(super) struct Passage {
    pub(super) weather: Weather,
    /// The partition that holds this way alone back.
    pub(super) stalled: Partition,
    /// The partition that closes this way alone.
    pub(super) closed: Partition,
    pub(super) chance: Chance,
    /// How many partitions there had been when the connection was made.
    pub(super) born: u64,
    pub(super) state: watch::Receiver<State>,
}

/// Bytes, and when they arrive.
type Piece = (Instant, Vec<u8>);

impl Passage {
    /// Carries until either end is gone, which is an error, or the sender has ended in good order.
    pub(super) async fn carry(self, from: ReadHalf<'_>, to: WriteHalf<'_>) -> io::Result<()> {
        let Self { weather, stalled, closed, chance, born, state } = self;
        let (sender, receiver) = mpsc::channel(PIECES_MAX);
        let read = async {
            // Nothing that the sender says counts any more.
            let mut closing = state.clone();
            tokio::select! {
                read = read(from, weather, chance, sender) => read,
                _ = closing.wait_for(|state| state.partition == Some(closed)) => Ok(()),
            }
        };
        tokio::try_join!(read, write(to, receiver, state.clone(), stalled, born)).map(drop)
    }
}

async fn read(
    mut from: ReadHalf<'_>,
    weather: Weather,
    mut chance: Chance,
    pieces: mpsc::Sender<Piece>,
) -> io::Result<()> {
    let mut buffer = vec![0; weather.piece_bytes];
    let mut due = Instant::now();
    loop {
        let length = 1 + chance.below(weather.piece_bytes as u64) as usize;
        let read = from.read(&mut buffer[..length]).await?;
        if read == 0 {
            return Ok(());
        }
        let jitter = chance.micros_below(weather.jitter.as_micros() as u64 + 1);
        let passing = Duration::from_secs_f64(read as f64 / f64::from(weather.bytes_per_second));
        // Nothing overtakes what was sent before: that is what TCP is for.
        due = due.max(Instant::now() + weather.latency + jitter) + passing;
        if pieces.send((due, buffer[..read].to_vec())).await.is_err() {
            return Ok(());
        }
    }
}

async fn write(
    mut to: WriteHalf<'_>,
    mut pieces: mpsc::Receiver<Piece>,
    mut state: watch::Receiver<State>,
    stalled: Partition,
    born: u64,
) -> io::Result<()> {
    let holds = [Partition::Stalled, Partition::Forgotten, stalled];
    loop {
        let piece = pieces.recv().await;
        if let Some((due, _)) = piece {
            sleep_until(due).await;
        }
        let passes = |state: &State| state.partition.is_none_or(|partition| !holds.contains(&partition));
        // The network is gone, and with it everything.
        let Ok(now) = state.wait_for(passes).await.map(|state| *state) else { return Ok(()) };
        let is_forgotten = born < now.forgotten;
        match piece {
            Some(_) if is_forgotten => {}
            Some((_, bytes)) => to.write_all(&bytes).await?,
            // Nobody hears of the end of a connection that is forgotten.
            None if is_forgotten => std::future::pending().await,
            None => return to.shutdown().await,
        }
    }
}
