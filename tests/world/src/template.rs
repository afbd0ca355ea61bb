//! Fresh vaults and a fresh relay, made once per process and written out for each world: opening an existing file is
//! cheap, making one is not.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, Result};
use relay_storage::{ReceiptKeys, Shell, Storage, StorageOptions, StorageUrl};
use sync_server::simulation::now;
use sync_wire::{AccountId, Role, SpaceId, SpaceKind};

use crate::clock::Clock;
use crate::device::{self, Sources};
use crate::disk::Disk;
use crate::edition::Edition;
use crate::fingerprint::Fingerprint;
use crate::rng::Rng;

/// Most devices of a world.
pub const DEVICES_MAX: usize = 4;
/// Logins of an account that are not the first of a device, before they are used again.
pub const LOGINS_MAX: usize = 16;
/// Seeds of what every world begins with.
const VAULT_SEED: u64 = 0x7661_756c_7400;
const RELAY_SEED: u64 = 0x7265_6c61_7900;

/// An account of the relay.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// What its devices show.
    pub token: String,
    /// Its personal space.
    pub personal: SpaceId,
    /// What they show after a login that was not the first. A relay that is put back to an earlier copy knows them all.
    pub logins: Vec<String>,
}

/// The files that every world begins with.
#[derive(Debug)]
pub struct Templates {
    /// The file of a vault that nobody has used, by device.
    pub vaults: Vec<Vec<u8>>,
    /// The relay's file.
    pub relay: Vec<u8>,
    /// Two accounts.
    pub accounts: [Account; 2],
    /// An account of no good: it may write in the team's space.
    pub attacker: Account,
    /// A space that all of them may write in.
    pub team: SpaceId,
}

/// The relay's receipt keys; they live outside its files.
#[must_use]
pub fn receipt_keys() -> ReceiptKeys {
    ReceiptKeys::from_secret(1, [0x5a; 32])
}

/// How the relay's storage is opened.
#[must_use]
pub fn storage_options(clock: &Clock, rng: Rng) -> StorageOptions {
    let (clock, rng) = (clock.clone(), Mutex::new(rng));
    let mut options = StorageOptions::new(receipt_keys());
    options.clock = Arc::new(move || clock.unix_milliseconds());
    options.random = Arc::new(move |bytes| rng.lock().unwrap_or_else(PoisonError::into_inner).fill(bytes));
    options.shell = Shell::Inline;
    options
}

impl Templates {
    /// The templates of this process.
    ///
    /// # Errors
    /// If they could not be made.
    pub fn get() -> Result<&'static Self> {
        static MADE: OnceLock<Result<Templates, String>> = OnceLock::new();
        let made = MADE.get_or_init(|| Self::make().map_err(|error| format!("{error:#}")));
        made.as_ref().map_err(|error| anyhow::anyhow!("the templates of the worlds could not be made: {error}"))
    }

    fn make() -> Result<Self> {
        let place = tempfile::tempdir()?;
        let vaults = (0..DEVICES_MAX).map(|index| make_vault(place.path(), index)).collect::<Result<_>>()?;
        let (accounts, attacker, team) = make_relay(place.path())?;
        let relay = std::fs::read(place.path().join("relay.sqlite"))?;
        Ok(Self { vaults, relay, accounts, attacker, team })
    }
}

fn make_vault(place: &Path, index: usize) -> Result<Vec<u8>> {
    let directory = place.join(format!("vault-{index}"));
    let sources = Sources::new(Clock::default(), Rng::seeded(VAULT_SEED + index as u64), place.join("state"));
    let disk = Disk::new("template", directory.join("vault.sqlite"), Fingerprint::not_taken());
    let vault = device::open(&directory, Arc::new(sources), &disk, Edition::Today)?;
    vault.checkpoint()?;
    drop(vault);
    std::fs::read(disk.file()).context("the file of a fresh vault")
}

fn make_relay(place: &Path) -> Result<([Account; 2], Account, SpaceId)> {
    let options = storage_options(&Clock::default(), Rng::seeded(RELAY_SEED));
    let storage = Storage::open_blocking(&StorageUrl::Sqlite(place.join("relay.sqlite")), options)?;
    let account = |name| -> Result<Account> {
        let made = now(storage.create_account(name))?;
        let token = now(storage.create_token(made.id, "world"))?.secret;
        Ok(Account { id: made.id, token, personal: made.personal_space, logins: Vec::new() })
    };
    let (mut accounts, attacker) = ([account("ann")?, account("ben")?], account("eve")?);
    let team = now(storage.create_space("team", SpaceKind::Team, Some(accounts[0].id)))?;
    now(storage.grant(team, accounts[1].id, Role::Editor))?;
    now(storage.grant(team, attacker.id, Role::Editor))?;
    for account in &mut accounts {
        let login = |_| Ok(now(storage.create_token(account.id, "another login"))?.secret);
        account.logins = (0..LOGINS_MAX).map(login).collect::<Result<_>>()?;
    }
    storage.checkpoint()?;
    now(storage.close());
    Ok((accounts, attacker, team))
}
