//! A relay and its devices, for one test, in a directory whose path nobody would choose.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;
use system_tests::{Account, Device, Programs, Relay};
use tempfile::TempDir;

/// Everything of one test; gone when dropped.
pub(crate) struct World {
    pub(crate) relay: Relay,
    pub(crate) programs: Programs,
    directory: TempDir,
}

impl World {
    pub(crate) fn new() -> Result<Self> {
        Self::with_settings("")
    }

    /// With other settings of the relay than it is shipped with, as `config.toml` has them.
    pub(crate) fn with_settings(settings: &str) -> Result<Self> {
        let programs = Programs::beside_this_executable()?;
        let directory = odd_directory()?;
        let data = directory.path().join("relay data");
        std::fs::create_dir(&data)?;
        std::fs::write(data.join("config.toml"), settings)?;
        let relay = Relay::start(&programs, &data)?;
        Ok(Self { relay, programs, directory })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A device that has never heard of the relay.
    pub(crate) fn device(&self, name: &str) -> Result<Device> {
        let device = Device::new(&self.programs, self.path(), name)?;
        device.ok(&["init"])?;
        Ok(device)
    }

    /// A device that is logged in, and has synchronised once.
    pub(crate) fn device_of(&self, account: &Account, name: &str) -> Result<Device> {
        let device = self.device(name)?;
        device.login(&self.relay.url(), &account.token)?;
        device.sync()?;
        Ok(device)
    }

    /// An account `ada` with devices `laptop` and `desktop`.
    pub(crate) fn two_devices(&self) -> Result<(Account, Device, Device)> {
        let ada = self.relay.account("ada")?;
        let laptop = self.device_of(&ada, "laptop")?;
        let desktop = self.device_of(&ada, "desktop")?;
        Ok((ada, laptop, desktop))
    }
}

impl World {
    /// The listed documents of a type, once there are `count`: the relay folds new entries in its own time.
    pub(crate) fn listed(&self, type_name: &str, count: usize, token: &str) -> Result<Vec<Value>> {
        let mut listed = Vec::new();
        eventually(&format!("the relay lists {count} of type {type_name}"), || {
            listed = self.relay.documents(token)?;
            listed.retain(|item| item["type"] == type_name);
            Ok(listed.len() == count)
        })?;
        Ok(listed)
    }
}

/// A temporary directory with a space and a letter outside ASCII in its path.
pub(crate) fn odd_directory() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("a vault für ").tempdir()?)
}

/// Fails unless both devices show the same settings; returns them.
pub(crate) fn same_settings(a: &Device, b: &Device) -> Result<String> {
    let (ours, theirs) = (a.ok(&["export", "settings"])?, b.ok(&["export", "settings"])?);
    assert_eq!(ours, theirs, "{} and {} differ", a.name(), b.name());
    Ok(ours)
}

/// Asks again and again until the answer is yes: for what another process does in its own time.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !is_so()? {
        if began.elapsed() > Duration::from_secs(20) {
            bail!("waited for 20 seconds in vain until {what}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
