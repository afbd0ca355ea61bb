//! `cargo xtask website`: the website while it is developed, with reload, beside a relay that is there for it alone.
//! With `--build` it is built, and the relay takes it in when that is built next.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use system_tests::{Programs, Relay};

use crate::workspace::{PROFILE, Workspace, succeed};

/// Where the relay's build looks for it, below its own directory.
const BUILT: &str = "dist";
/// Where it is built, before it is compared with what is there.
const NEXT: &str = "dist.next";
/// Where vite serves it.
const PORT: &str = "5173";
/// Whether Node.js runs what the website is built with.
const NODE_PROBE: &str = "process.exit(process.versions.node.split('.')[0] >= 20 ? 0 : 1)";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Builds it for the relay, and ends
    #[arg(long)]
    build: bool,
    /// A relay that runs already, in place of one in a temporary directory
    #[arg(long, value_name = "URL", conflicts_with = "build")]
    relay: Option<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let site = Website::of(workspace);
    if args.build {
        site.build()?;
        println!("built; `cargo build` takes it into the relay");
        return Ok(ExitCode::SUCCESS);
    }
    site.install()?;
    match &args.relay {
        Some(url) => site.develop(url)?,
        None => {
            workspace.build_binaries()?;
            let programs = Programs::in_directory(&workspace.target().join(PROFILE));
            let directory = tempfile::Builder::new().prefix("symphony vault website ").tempdir()?;
            let relay = Relay::start(&programs, &directory.path().join("relay"))?;
            let ada = relay.account("ada")?;
            relay.admin(&["account", "role", &ada.name, "operator"])?;
            let code = sign_in_code(&relay, &ada.name)?;
            println!("A relay for it runs at {} until this ends; ada's token is {}", relay.url(), ada.token);
            println!("Sign in (once, within 15 minutes): http://localhost:{PORT}/sign-in#{code}\n");
            site.develop(&relay.url())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn sign_in_code(relay: &Relay, account: &str) -> Result<String> {
    let link = relay.admin(&["account", "link", account])?;
    let (_, code) = link.split_once('#').with_context(|| format!("{link:?} is no sign-in link"))?;
    Ok(code.to_owned())
}

/// The website's own directory, and the commands that work in it.
pub(crate) struct Website {
    directory: PathBuf,
}

impl Website {
    pub(crate) fn of(workspace: &Workspace) -> Self {
        Self { directory: workspace.root().join("sync-server/website") }
    }

    /// Builds it if that is possible here; else says why it is left out, and goes on.
    pub(crate) fn build_or_leave_out(&self) {
        if let Err(error) = self.build() {
            println!("website left out: {error:#}");
        }
    }

    pub(crate) fn build(&self) -> Result<()> {
        self.install()?;
        self.renew()
    }

    /// Everything that must hold of it before a relay is built with it, and then that.
    pub(crate) fn check(&self) -> Result<()> {
        self.install()?;
        thread::scope(|scope| {
            // It takes as long as all the others.
            let lint = scope.spawn(|| self.npm(&["run", "--silent", "lint"]));
            let others = ["typecheck", "test"].iter().try_for_each(|script| self.npm(&["run", "--silent", script]));
            lint.join().unwrap_or_else(|_| bail!("the linter's thread panicked")).and(others)
        })?;
        self.renew()
    }

    /// Builds it beside what was built last, and puts it in the place of that only if it is another one: the relay is
    /// compiled anew whenever anything there is touched.
    fn renew(&self) -> Result<()> {
        self.npm(&["run", "--silent", "build", "--", "--outDir", NEXT, "--emptyOutDir"])?;
        let (next, built) = (self.directory.join(NEXT), self.directory.join(BUILT));
        if contents(&next)? == contents(&built)? {
            fs::remove_dir_all(&next)?;
            return Ok(());
        }
        if built.exists() {
            fs::remove_dir_all(&built)?;
        }
        fs::rename(&next, &built).with_context(|| format!("cannot rename {}", next.display()))
    }

    /// What opens the pages in a browser, on relays and vaults of the programs that were built.
    pub(crate) fn browsing(&self, workspace: &Workspace) -> Command {
        let programs = [("SYNC_SERVER", workspace.binary("sync-server")), ("VAULT", workspace.binary("vault"))];
        let mut command = self.command(&["run", "--silent", "browser"]);
        command.envs(programs).env("NO_COLOR", "1");
        command
    }

    /// Whether there are tests of its pages in a browser.
    pub(crate) fn has_browser_tests(&self) -> bool {
        self.directory.join("browser/vitest.config.ts").is_file()
    }

    fn develop(&self, relay: &str) -> Result<()> {
        succeed(self.command(&["run", "dev", "--", "--strictPort", "--port", PORT]).env("RELAY", relay))
    }

    /// What it is built with, as locked.
    fn install(&self) -> Result<()> {
        if !self.directory.join("package.json").is_file() {
            bail!("{} is not there", self.directory.display());
        }
        let node = Command::new("node").args(["-e", NODE_PROBE]).stderr(Stdio::null()).status();
        if !node.is_ok_and(|status| status.success()) {
            bail!("it is built with Node.js 20 or newer, which is not here");
        }
        if is_installed(&self.directory) { Ok(()) } else { self.npm(&["ci", "--no-audit", "--no-fund"]) }
    }

    fn npm(&self, args: &[&str]) -> Result<()> {
        succeed(&mut self.command(args))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("npm");
        command.args(args).current_dir(&self.directory);
        command
    }
}

/// Every file below a directory, by its path there; none if there is no such directory.
fn contents(directory: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    if !directory.exists() {
        return Ok(files);
    }
    let mut open = vec![PathBuf::new()];
    while let Some(below) = open.pop() {
        for entry in fs::read_dir(directory.join(&below))? {
            let entry = entry?;
            let name = below.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                open.push(name);
            } else {
                files.insert(name, fs::read(entry.path())?);
            }
        }
    }
    Ok(files)
}

/// Whether what was installed last is what is locked now: npm notes it when it is done.
fn is_installed(directory: &Path) -> bool {
    let time_of = |name: &str| directory.join(name).metadata().and_then(|file| file.modified()).ok();
    match (time_of("node_modules/.package-lock.json"), time_of("package-lock.json")) {
        (Some(installed), Some(locked)) => installed >= locked,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn what_was_locked_anew_is_installed_anew() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, seconds: u64| {
            let file = std::fs::File::create(directory.path().join(name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        };
        write("package-lock.json", 10);
        assert!(!is_installed(directory.path()));
        std::fs::create_dir(directory.path().join("node_modules")).unwrap();
        write("node_modules/.package-lock.json", 10);
        assert!(is_installed(directory.path()));
        write("package-lock.json", 11);
        assert!(!is_installed(directory.path()));
    }

    #[test]
    fn a_directory_is_known_again_by_its_files() {
        let directory = tempfile::tempdir().unwrap();
        let (a, b) = (directory.path().join("a"), directory.path().join("b"));
        assert!(contents(&a).unwrap().is_empty());
        for side in [&a, &b] {
            fs::create_dir_all(side.join("assets")).unwrap();
            fs::write(side.join("assets/x.js"), "1").unwrap();
        }
        assert_eq!(contents(&a).unwrap(), contents(&b).unwrap());
        fs::write(b.join("assets/x.js"), "2").unwrap();
        assert_ne!(contents(&a).unwrap(), contents(&b).unwrap());
    }

    #[test]
    fn a_website_that_is_not_there_is_said_to_be_missing() {
        let site = Website { directory: PathBuf::from("no/such/place") };
        let error = site.build().unwrap_err().to_string();
        assert!(error.contains("no/such/place is not there"), "{error}");
        assert!(!site.has_browser_tests());
    }
}
