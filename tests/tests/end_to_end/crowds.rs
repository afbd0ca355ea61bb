//! More connections than the relay has file descriptors for: whoever comes too late waits or is turned away, and nobody
//! else notices afterwards.

use std::net::TcpStream;

use anyhow::Result;
use system_tests::{Device, Programs, Relay};

use crate::world::{eventually, odd_directory, same_settings};

/// Many more than the limit of file descriptors below.
const CROWD: usize = 120;

#[test]
fn a_relay_without_file_descriptors_left_serves_again_when_the_crowd_is_gone() -> Result<()> {
    let (programs, directory) = (Programs::beside_this_executable()?, odd_directory()?);
    let mut relay = Relay::start_limited(&programs, &directory.path().join("relay data"), "ulimit -n 64")?;
    let ada = relay.account("ada")?;
    let device = |name: &str| -> Result<Device> {
        let device = Device::new(&programs, directory.path(), name)?;
        device.ok(&["init"])?;
        device.login(&relay.url(), &ada.token)?;
        device.sync()?;
        Ok(device)
    };
    let (laptop, desktop) = (device("laptop")?, device("desktop")?);
    laptop.ok(&["set", "settings", "before", "1"])?;
    laptop.sync()?;

    // The kernel accepts what the relay cannot: the crowd is connected either way.
    let crowd: Vec<TcpStream> = (0..CROWD).filter_map(|_| TcpStream::connect(relay.address()).ok()).collect();
    assert!(crowd.len() > 64, "only {} came", crowd.len());
    eventually("the relay has no file descriptor left", || Ok(relay.logged().contains("Too many open files")))?;
    drop(crowd);

    eventually("the relay answers", || Ok(relay.get("/readyz", "").is_ok_and(|answer| answer.status == 200)))?;
    desktop.ok(&["set", "settings", "after", "1"])?;
    desktop.sync()?;
    laptop.sync()?;
    let merged = same_settings(&laptop, &desktop)?;
    assert!(merged.contains("before") && merged.contains("after"), "{merged}");
    relay.stop()
}
