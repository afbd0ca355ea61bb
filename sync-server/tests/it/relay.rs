//! Relays to test: one in this process, and the real binary in its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use relay_storage::Storage;
use sync_server::app::App;
use sync_server::config::Config;
use sync_server::server::Server;
use sync_wire::{AccountId, Role, SpaceId, SpaceKind};
use tempfile::TempDir;

/// A relay in this process, on a free port; stops when dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    pub address: SocketAddr,
    pub metrics: Option<SocketAddr>,
    pub app: App,
    directory: TempDir,
}

/// An account with a token.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub id: AccountId,
    pub token: String,
    pub personal: SpaceId,
}

impl Relay {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(configure: impl FnOnce(&mut Config)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), configure).await
    }

    /// On what is in a directory.
    pub(crate) async fn start_in(directory: TempDir, configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".into();
        config.relay.access_poll_milliseconds = 20;
        config.care.reserve_bytes_max = 0; // however full the disk of whoever runs this is
        configure(&mut config);
        let server = Server::open(directory.path().to_owned(), config).await.unwrap();
        let (address, metrics, app) = (server.address(), server.metrics_address(), server.app().clone());
        tokio::spawn(server.run());
        Self { address, metrics, app, directory }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.app.storage
    }

    pub(crate) async fn account(&self, name: &str) -> Account {
        let account = self.storage().create_account(name).await.unwrap();
        let token = self.storage().create_token(account.id, "test").await.unwrap().secret;
        Account { id: account.id, token, personal: account.personal_space }
    }

    pub(crate) async fn team(&self, members: &[(&Account, Role)]) -> SpaceId {
        let space = self.storage().create_space("team", SpaceKind::Team, None).await.unwrap();
        for (account, role) in members {
            self.storage().grant(space, account.id, *role).await.unwrap();
        }
        space
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.app.stop.cancel();
    }
}

/// Runs the real binary.
pub(crate) fn command(data: &Path, arguments: &[&str]) -> Output {
    let mut command = binary();
    command.args(arguments).arg("--data").arg(data).output().unwrap()
}

/// Compares a document with what the code says, or a part of it.
pub(crate) fn assert_current(file: &str, part: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(part), "docs/{file} must contain:\n{part}");
}

/// Runs the real binary, which must succeed; its standard output without the last line end.
pub(crate) fn succeed(data: &Path, arguments: &[&str]) -> String {
    let output = command(data, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Runs the real binary, which must fail with 1; the code and the sentence of its error.
pub(crate) fn fail(data: &Path, arguments: &[&str]) -> (String, String) {
    let output = command(data, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
    let last = error.lines().last().unwrap_or_default();
    let coded = last.strip_prefix("error[").and_then(|rest| rest.split_once("]: "));
    let (code, detail) = coded.unwrap_or_else(|| panic!("no coded error: {error}"));
    (code.to_owned(), detail.to_owned())
}

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sync-server"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SYNC_SERVER_")) {
        command.env_remove(name);
    }
    command
}

/// The real binary, serving; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub address: SocketAddr,
}

impl Process {
    pub(crate) fn serve(data: &Path) -> Self {
        Self::serve_logging_to(data, Stdio::null())
    }

    pub(crate) fn serve_logging_to(data: &Path, log: Stdio) -> Self {
        Self::spawn(binary(), data, log)
    }

    /// With at most so many open files.
    pub(crate) fn serve_with_files(data: &Path, files: u32) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\"")]).arg(env!("CARGO_BIN_EXE_sync-server"));
        Self::spawn(shell, data, Stdio::null())
    }

    fn spawn(mut command: Command, data: &Path, log: Stdio) -> Self {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on http://").map(|address| address.trim_end().parse().unwrap());
        let address = address.unwrap_or_else(|| panic!("first line: {line:?}"));
        Self { child, address }
    }

    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    pub(crate) fn exit_code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
