//! The kernel's own networks: a relay and a laptop in a namespace each, and a cable between them. Here the kernel
//! decides what an interface that is down, or a network that swallows everything, means for connections.
//!
//! Needs root and `ip`; elsewhere it says that it did not run.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use system_tests::{Answer, Chance, Device, Programs, Relay};

use super::{Healed, IN_NAMESPACES, PATIENCE, Run};
use crate::world::odd_directory;

const RELAY: Ipv4Addr = Ipv4Addr::new(10, 213, 77, 1);
const LAPTOP: Ipv4Addr = Ipv4Addr::new(10, 213, 77, 2);

/// How the cable fails.
#[derive(Debug, Clone, Copy)]
enum Break {
    /// The laptop's interface is down: it has no route, and knows.
    LaptopDown,
    /// The relay's interface is down: the laptop hears nothing.
    RelayDown,
    /// What the laptop sends is addressed to a machine that does not exist. Nobody is told.
    UpLost,
    /// The same for what the relay sends.
    DownLost,
}

const BREAKS: [Break; 4] = [Break::LaptopDown, Break::UpLost, Break::RelayDown, Break::DownLost];

#[test]
fn a_cable_that_is_pulled_and_a_network_that_swallows_everything_lose_nothing_and_stall_nobody() -> Result<()> {
    let run = Run::of_environment("PARTITIONS_NAMESPACES", IN_NAMESPACES)?;
    let Some(cable) = Cable::new()? else { return Ok(()) };
    let (programs, directory) = (Programs::beside_this_executable()?, odd_directory()?);
    let starter = cable.inside(&cable.relay);
    let starter: Vec<&str> = starter.iter().map(String::as_str).collect();
    let relay = Relay::start_by(&programs, &directory.path().join("relay data"), &starter, RELAY.into())?;
    let ada = relay.account("ada")?;
    let device = |name: &str, namespace: &str| -> Result<(Device, Online)> {
        let device = Device::new(&programs, directory.path(), name)?;
        device.ok(&["init"])?;
        device.login(&relay.url(), &ada.token)?;
        let online = Online::inside(&cable, namespace, &device)?;
        Ok((device, online))
    };
    let (laptop, _laptop_online) = device("laptop", &cable.laptop)?;
    let (desktop, _desktop_online) = device("desktop", &cable.relay)?;
    let (devices, mut written) = ([laptop, desktop], Vec::new());
    let mut chance = Chance::seeded(run.seed);
    while let Some(number) = run.next() {
        let (broken, lasting) = (BREAKS[number as usize % BREAKS.len()], run.duration(&mut chance));
        let told = || format!("{broken:?} for {lasting:?}, seed {}", run.seed);
        let before = written.len();
        cable.fail(broken).with_context(told)?;
        for device in &devices {
            let key = format!("key{}", written.len());
            device.ok(&["set", "settings", &key, &written.len().to_string()])?;
            written.push(key);
        }
        std::thread::sleep(lasting);
        let healed = Instant::now();
        cable.heal(broken).with_context(told)?;
        for device in &devices {
            meet(device, &written, healed).with_context(told)?;
        }
        let edits = (written.len() - before) as u64;
        run.add(broken, lasting, Healed { resumed: healed.elapsed(), edits });
    }
    run.report("partitions of a kernel's network")
}

/// Waits until a device has all that was written, and nothing to send.
fn meet(device: &Device, written: &[String], since: Instant) -> Result<()> {
    loop {
        let settings = device.ok(&["export", "settings"])?;
        let missing = written.iter().zip(0..).find(|(key, number)| !settings.contains(&format!("\"{key}\": {number}")));
        if missing.is_none() && device.pending()? == 0 {
            return Ok(());
        }
        ensure!(since.elapsed() < PATIENCE, "{} stalls without {missing:?}", device.name());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// `vault sync --watch` in a namespace; killed when dropped.
struct Online(Child);

impl Online {
    fn inside(cable: &Cable, namespace: &str, device: &Device) -> Result<Self> {
        let alone = device.command(&["sync", "--watch"]);
        let starter = cable.inside(namespace);
        let (program, before) = starter.split_first().context("a command has a program")?;
        let mut command = Command::new(program);
        command.args(before).arg(alone.get_program()).args(alone.get_args()).env_clear();
        command.envs(alone.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(command.spawn()?))
    }
}

impl Drop for Online {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell in a destructor.
        let _ = (self.0.kill(), self.0.wait());
    }
}

/// Two namespaces and the cable between them; gone when dropped.
struct Cable {
    ip: PathBuf,
    relay: String,
    laptop: String,
}

/// What the interface is called at each end.
const INTERFACE: &str = "cable";
/// The address of no machine.
const NOBODY: &str = "02:00:00:00:00:99";

impl Cable {
    /// `None`, said aloud, where networks may not be made.
    fn new() -> Result<Option<Self>> {
        let places = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"].map(PathBuf::from);
        let not_run = |why: &str| {
            // Not `eprintln!`: the test harness would swallow it.
            writeln!(std::io::stderr(), "NOT RUN: a test that takes a kernel's network apart ({})", why.trim())?;
            Ok(None)
        };
        let Some(ip) = places.into_iter().find(|place| place.is_file()) else { return not_run("there is no `ip`") };
        let [relay, laptop] = ["r", "l"].map(|end| format!("vault-{}-{end}", std::process::id()));
        let cable = Self { ip, relay, laptop };
        for namespace in [&cable.relay, &cable.laptop] {
            if let Err(error) = cable.ip(&["netns", "add", namespace]) {
                return not_run(&error.to_string());
            }
        }
        let (relay, laptop) = (&cable.relay, &cable.laptop);
        let ends = ["link", "add", INTERFACE, "type", "veth", "peer", "name", INTERFACE, "netns", laptop];
        cable.ip(&[&["-n", relay], &ends[..]].concat())?;
        for (namespace, address) in [(relay, RELAY), (laptop, LAPTOP)] {
            cable.ip(&["-n", namespace, "address", "add", &format!("{address}/24"), "dev", INTERFACE])?;
            cable.set(namespace, "lo", "up")?;
            cable.set(namespace, INTERFACE, "up")?;
        }
        Ok(Some(cable))
    }

    /// The command that starts a program in a namespace.
    fn inside(&self, namespace: &str) -> Vec<String> {
        [&*self.ip.to_string_lossy(), "netns", "exec", namespace].map(str::to_owned).to_vec()
    }

    fn fail(&self, broken: Break) -> Result<()> {
        let lose = |namespace, to: Ipv4Addr| {
            let to = to.to_string();
            let wrong = ["-n", namespace, "neighbour", "replace", &to, "lladdr", NOBODY, "dev", INTERFACE];
            self.ip(&[&wrong[..], &["nud", "permanent"]].concat())
        };
        match broken {
            Break::LaptopDown => self.set(&self.laptop, INTERFACE, "down"),
            Break::RelayDown => self.set(&self.relay, INTERFACE, "down"),
            Break::UpLost => lose(&self.laptop, RELAY),
            Break::DownLost => lose(&self.relay, LAPTOP),
        }
    }

    fn heal(&self, broken: Break) -> Result<()> {
        let find = |namespace, to: Ipv4Addr| {
            self.ip(&["-n", namespace, "neighbour", "del", &to.to_string(), "dev", INTERFACE])
        };
        match broken {
            Break::LaptopDown => self.set(&self.laptop, INTERFACE, "up"),
            Break::RelayDown => self.set(&self.relay, INTERFACE, "up"),
            Break::UpLost => find(&self.laptop, RELAY),
            Break::DownLost => find(&self.relay, LAPTOP),
        }
    }

    fn set(&self, namespace: &str, interface: &str, state: &str) -> Result<()> {
        self.ip(&["-n", namespace, "link", "set", interface, state])
    }

    fn ip(&self, args: &[&str]) -> Result<()> {
        let answer = Answer::of(Command::new(&self.ip).args(args))?;
        ensure!(answer.code == Some(0), "`ip {}` failed: {}", args.join(" "), answer.err);
        Ok(())
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for namespace in [&self.relay, &self.laptop] {
            // One of them may not be there; there is nobody to tell.
            let _ = self.ip(&["netns", "delete", namespace]);
        }
    }
}
