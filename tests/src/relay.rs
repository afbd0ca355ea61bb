//! A relay: a `sync-server` process on a loopback port, with a data directory, that can be killed and started again.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{Answer, Programs, under};

/// A running relay; killed when dropped.
#[derive(Debug)]
pub struct Relay {
    program: PathBuf,
    data: PathBuf,
    log: PathBuf,
    address: SocketAddr,
    /// What begins the command line, if the program is started by another one.
    under: Vec<OsString>,
    /// Bytes that have to be free on its disk for edits to be taken.
    reserve_bytes: u64,
    child: Option<Child>,
}

/// An account with a token that works.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// A bearer token.
    pub token: String,
}

/// What the HTTP API answered.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The `ETag`.
    pub etag: Option<String>,
    /// The body; null if it is empty.
    pub body: Value,
}

impl Response {
    fn read(mut response: ureq::http::Response<ureq::Body>) -> Result<Self> {
        let etag = response.headers().get("etag").and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        let text = response.body_mut().read_to_string().context("the body cannot be read")?;
        let body =
            if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
        Ok(Self { status: response.status().as_u16(), etag, body })
    }
}

impl Relay {
    /// Starts a relay on a free loopback port. `data` is created by the relay; its log is the file beside it.
    ///
    /// # Errors
    /// If the relay does not say within 10 seconds that it listens; contains what it logged.
    pub fn start(programs: &Programs, data: &Path) -> Result<Self> {
        let mut relay = Self::at(programs, data);
        relay.start_again()?;
        Ok(relay)
    }

    /// As [`Self::start`], after a shell has run `limit`, such as `ulimit -n 64`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_limited(programs: &Programs, data: &Path, limit: &str) -> Result<Self> {
        let mut relay = Self::at(programs, data);
        relay.start_under(["sh", "-c", &format!("{limit} && exec \"$@\""), "sh"].map(OsString::from).to_vec());
        relay.start_again()?;
        Ok(relay)
    }

    /// As [`Self::start`], on a disk of which so many bytes have to stay free; otherwise it may be filled to the end.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with_reserve(programs: &Programs, data: &Path, reserve_bytes: u64) -> Result<Self> {
        let mut relay = Self::at(programs, data);
        relay.reserve_bytes = reserve_bytes;
        relay.start_again()?;
        Ok(relay)
    }

    /// As [`Self::start`], by a command that takes the program and its arguments, on a port of `address`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_by(programs: &Programs, data: &Path, starter: &[&str], address: IpAddr) -> Result<Self> {
        let mut relay = Self::at(programs, data);
        relay.start_under(starter.iter().map(OsString::from).collect());
        relay.address.set_ip(address);
        relay.start_again()?;
        Ok(relay)
    }

    /// A relay that does not run yet.
    #[must_use]
    pub fn at(programs: &Programs, data: &Path) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let (program, data, log) = (programs.server(), data.to_owned(), data.with_extension("log"));
        Self { program, data, log, address, under: Vec::new(), reserve_bytes: 0, child: None }
    }

    /// From now on it is started by another program, whose command line this begins; by itself again if it is empty.
    pub fn start_under(&mut self, under: Vec<OsString>) {
        self.under = under;
    }

    /// Starts the relay on the port that it had.
    ///
    /// # Errors
    /// If it runs already, or as [`Self::start`].
    pub fn start_again(&mut self) -> Result<()> {
        let stdout = self.spawn()?;
        let mut first = String::new();
        BufReader::new(stdout).read_line(&mut first)?;
        let Some(address) = first.trim().strip_prefix("listening on http://") else {
            bail!("the relay did not say that it listens but {first:?}; it logged:\n{}", self.logged());
        };
        self.address = address.parse().with_context(|| format!("the relay listens on {address:?}"))?;
        Ok(())
    }

    /// Starts the relay and kills it after so long, whether or not it listens by then.
    ///
    /// # Errors
    /// If it runs already, or cannot be started.
    pub fn start_and_kill_after(&mut self, time: Duration) -> Result<()> {
        let _stdout = self.spawn()?;
        std::thread::sleep(time);
        self.kill();
        Ok(())
    }

    /// Starts the process, and returns its standard output.
    fn spawn(&mut self) -> Result<ChildStdout> {
        if self.child.is_some() {
            bail!("the relay runs already");
        }
        let log = std::fs::File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.program);
        command.arg("serve").arg("--data").arg(&self.data).args(["--listen", &self.address.to_string()]);
        let mut command = under(&self.under, &command);
        let reserve = self.reserve_bytes.to_string();
        command.env_clear().env("SYNC_SERVER_CARE_RESERVE_BYTES_MAX", &reserve);
        command.env("SYNC_SERVER_CARE_RESERVE_BYTES_MIN", &reserve);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().context("cannot start sync-server")?;
        let stdout = child.stdout.take().context("standard output was piped two lines above")?;
        self.child = Some(child);
        Ok(stdout)
    }

    /// Kills the relay as the kernel would, at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks the relay to stop, and waits until it has.
    ///
    /// # Errors
    /// If it has not within 10 seconds, or did not exit with 0.
    pub fn stop(&mut self) -> Result<()> {
        let status = self.end()?;
        if !status.success() {
            bail!("the relay stopped with {status}; it logged:\n{}", self.logged());
        }
        Ok(())
    }

    /// Asks the relay to stop if it still runs, and says how it ended.
    ///
    /// # Errors
    /// If it has not within 10 seconds.
    pub fn end(&mut self) -> Result<ExitStatus> {
        let mut child = self.child.take().context("the relay does not run")?;
        Answer::of(Command::new("kill").args(["-TERM", &child.id().to_string()]))?;
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        bail!("the relay did not stop within 10 seconds; it logged:\n{}", self.logged());
    }

    /// The id of its process, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Lets the process run on when this value is dropped, and returns its id.
    #[must_use]
    pub fn leave_running(mut self) -> Option<u32> {
        self.child.take().map(|child| child.id())
    }

    /// The address of its HTTP port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The URL that devices log in to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that the relay has logged, for people who look at a failure.
    #[must_use]
    pub fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Runs an administration command on the relay's data, whether or not it is running.
    ///
    /// # Errors
    /// If it does not exit with 0; contains what it said.
    pub fn admin(&self, args: &[&str]) -> Result<String> {
        let answer = Answer::of(&mut self.admin_command(args))?;
        if answer.code != Some(0) {
            bail!("`sync-server {}` failed: {answer:?}", args.join(" "));
        }
        Ok(answer.out.trim().to_owned())
    }

    /// An administration command, not yet started.
    #[must_use]
    pub fn admin_command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).arg("--data").arg(&self.data).env_clear().stdin(Stdio::null());
        command
    }

    /// Makes an account and a token for it.
    ///
    /// # Errors
    /// As [`Self::admin`].
    pub fn account(&self, name: &str) -> Result<Account> {
        self.admin(&["account", "create", name])?;
        let token = self.admin(&["token", "create", "--account", name])?;
        Ok(Account { name: name.to_owned(), token })
    }

    /// Makes a team space and returns its id.
    ///
    /// # Errors
    /// As [`Self::admin`].
    pub fn space(&self, name: &str) -> Result<String> {
        self.admin(&["space", "create", name])
    }

    /// Gives an account a role in a space.
    ///
    /// # Errors
    /// As [`Self::admin`].
    pub fn grant(&self, space: &str, account: &Account, role: &str) -> Result<()> {
        self.admin(&["space", "grant", space, &account.name, role]).map(drop)
    }

    /// Asks the HTTP API as the holder of `token`.
    ///
    /// # Errors
    /// If there is no answer; a refusal is an answer.
    pub fn get(&self, path: &str, token: &str) -> Result<Response> {
        self.get_if_changed(path, token, None)
    }

    /// Asks with `If-None-Match`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn get_if_changed(&self, path: &str, token: &str, etag: Option<&str>) -> Result<Response> {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut request = agent.get(format!("{}{path}", self.url()));
        if !token.is_empty() {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if let Some(etag) = etag {
            request = request.header("If-None-Match", etag);
        }
        Response::read(request.call().with_context(|| format!("GET {path}"))?)
    }

    /// Asks for something to be done, with an empty body.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn post(&self, path: &str, token: &str) -> Result<Response> {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request = agent.post(format!("{}{path}", self.url())).header("Authorization", format!("Bearer {token}"));
        Response::read(request.send_empty().with_context(|| format!("POST {path}"))?)
    }

    /// The documents that `token` may list, over the HTTP API.
    ///
    /// # Errors
    /// If the list is refused.
    pub fn documents(&self, token: &str) -> Result<Vec<Value>> {
        let response = self.get("/api/v1/documents", token)?;
        match response.body.get("items").and_then(Value::as_array) {
            Some(items) if response.status == 200 => Ok(items.clone()),
            _ => bail!("the list was answered {response:?}"),
        }
    }

    /// The merged state of a listed document, over the HTTP API.
    ///
    /// # Errors
    /// If there is no answer.
    pub fn document(&self, item: &Value, token: &str) -> Result<Response> {
        self.get(&document_path(item)?, token)
    }

    /// The same, once it contains everything up to `position`.
    ///
    /// # Errors
    /// If there is no answer.
    pub fn document_after(&self, item: &Value, position: &str, token: &str) -> Result<Response> {
        self.get(&format!("{}?after={position}", document_path(item)?), token)
    }
}

/// Where the API has a listed document.
fn document_path(item: &Value) -> Result<String> {
    let id = |key: &str| item.get(key).and_then(Value::as_str).with_context(|| format!("no {key} in {item}"));
    Ok(format!("/api/v1/spaces/{}/documents/{}", id("space")?, id("id")?))
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.kill();
    }
}
