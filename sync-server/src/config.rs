//! Everything that can be configured, in one tree: defaults, then `config.toml`, then variables, then flags.
//!
//! Each field says its unit, its default and why it is there; `docs/configuration.md` and `config show` are generated
//! from this file. A key or variable that no field has is an error, so that a typing mistake cannot pass unnoticed.

mod fields; // the macro that keeps a field and its description together
mod rules; // what values have to do with each other
mod reference; // the generated page, and the effective values as TOML

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fields::sections;
use relay_storage::{IntakeLimits, Limits};

/// Prefix of every variable.
pub const VARIABLE_PREFIX: &str = "SYNC_SERVER_";
/// The optional file inside the data directory.
pub const FILE_NAME: &str = "config.toml";

sections! {
    /// Effective configuration of one relay.
    pub struct Config {
        /// Where the relay listens and keeps its state.
        server: Server {
            /// Address and port to listen on; port 0 takes a free one. TLS is the business of a proxy in front.
            listen: String = "127.0.0.1:8470".to_owned(),
            /// Address under which browsers reach the relay, as in `https://vault.example.org`: sign-in links begin
            /// with it, and what its pages ask is told from what other sites ask. Empty means the address to listen
            /// on, by HTTP.
            public_url: String = String::new(),
            /// What keeps the relay's state: `sqlite:PATH`, a relative path being below the data directory. One file,
            /// so that a backup is one file.
            storage: String = "sqlite:relay.sqlite".to_owned(),
            /// Address and port of `/metrics`, for Prometheus; empty means none. A listener of its own, because whoever
            /// reaches it needs no token: keep it on a loopback address or inside a private network.
            metrics_listen: String = String::new(),
            /// How long a stopping relay waits for its connections, in seconds. Waiting is politeness only: what was
            /// acknowledged is durable already.
            shutdown_seconds: u64 = 5,
            /// Threads for requests and sockets; 0 means one for each core.
            threads: usize = 0,
        }
        /// What a network peer may cost before and beside its requests.
        connections: Connections {
            /// Connections in all. Bounds file descriptors and the memory of idle sockets (about 5 KiB each).
            total_max: usize = 10_000,
            /// Connections from one address (for IPv6: from one /64). Loopback addresses are exempt, because a proxy on
            /// the same machine carries everybody's connections.
            per_address_max: usize = 64,
            /// How long a peer may take to send the head of a request, in seconds; also how long an idle connection
            /// stays. A peer that dribbles bytes would otherwise hold a slot for ever.
            header_seconds: u64 = 10,
            /// How long a peer may accept no byte of an answer, in seconds. A peer that stops reading would otherwise
            /// hold a slot and the answer for ever.
            write_stall_seconds: u64 = 30,
            /// How long to pause after `accept` fails for want of file descriptors or memory, in milliseconds.
            accept_pause_milliseconds: u64 = 100,
        }
        /// What a device may cost on its connection to `/sync`.
        relay: Relay {
            /// Sessions of one account. An account with more open editors than this is a loop, not a person.
            sessions_per_account_max: usize = 32,
            /// Sessions of one device. More than one happens when a link broke and the relay has not noticed yet: the
            /// device notices within four seconds, the relay after 45.
            sessions_per_device_max: usize = 12,
            /// Bytes of pushed batches being judged at once in the whole relay. When they are used up, sessions read
            /// no further frames until some are judged, so a burst costs time and not memory.
            pushed_bytes_max: usize = 67_108_864,
            /// Bytes of answers that may wait for one device that pushes without reading. They are kept apart from
            /// what is delivered; a device that exceeds them broke its credit and is disconnected.
            answer_bytes_max: usize = 262_144,
            /// Bytes of recent entries kept in memory for each space that somebody follows, for delivery without
            /// reading storage.
            tail_bytes_max: usize = 262_144,
            /// Bytes of recent entries kept in memory in all.
            tails_bytes_max: usize = 67_108_864,
            /// How often to look whether another process changed grants, tokens or devices, in milliseconds. Bounds
            /// how long a revoked token goes on working.
            access_poll_milliseconds: u64 = 250,
            /// Tokens remembered between requests; forgotten as soon as any grant, token or device changes.
            tokens_cached_max: usize = 10_000,
            /// How long devices are asked to stay away when the relay stops, in milliseconds; each gets a random
            /// share on top, so that they do not come back at once.
            retry_after_milliseconds: u32 = 1_000,
        }
        /// What one account and one document may have, and how fast. None of it loses an edit: what does not fit waits
        /// on its device, and says why. See also `docs/limits.md`.
        limits: AccountLimits {
            /// Bytes of changes that an account's devices may have in logs; `sync-server account quota` gives one
            /// account another number. What goes beyond is parked as `quota`.
            account_bytes_max: u64 = 1_073_741_824,
            /// Bytes of the changes of one document. What goes beyond is parked as `quota`.
            document_bytes_max: u64 = 268_435_456,
            /// Operations of one document; a letter is one.
            document_operations_max: u64 = 5_000_000,
            /// Entries of one document.
            document_entries_max: u64 = 5_000_000,
            /// Bytes of refused changes that are kept for one account; the oldest go first, their fates stay.
            refused_bytes_max: u64 = 67_108_864,
            /// Refused changes of one account whose bytes are kept.
            refused_changes_max: u64 = 10_000,
            /// Keys of requests (`Idempotency-Key`) that are remembered for one account at once; each for a day.
            /// Requests with more are refused with 503.
            keyed_requests_max: u64 = 4_096,
            /// Frames that the devices of an account may send in a second, on average; 0 means any number. Above this
            /// the relay reads slower, and drops nothing.
            frames_per_second: u32 = 1_000,
            /// Frames beyond that average at once. A first upload of thousands of documents is such a burst.
            frames_burst: u32 = 30_000,
            /// Bytes in such frames in a second; 0 means any number.
            bytes_per_second: u32 = 1_048_576,
            /// Bytes beyond that average at once: all that most people ever wrote.
            bytes_burst: u32 = 8_388_608,
            /// Operations in pushed changes in a second; 0 means any number. A letter is one.
            operations_per_second: u32 = 100_000,
            /// Operations beyond that average at once.
            operations_burst: u32 = 2_000_000,
            /// Bytes of pushes into spaces with other people in a second; 0 means any number. Lower than the average of
            /// all, because each of those people's devices takes it in as well.
            shared_bytes_per_second: u32 = 262_144,
            /// Bytes of such pushes beyond that average at once.
            shared_bytes_burst: u32 = 1_048_576,
            /// Operations of pushes into spaces with other people in a second; 0 means any number.
            shared_operations_per_second: u32 = 20_000,
            /// Operations of such pushes beyond that average at once.
            shared_operations_burst: u32 = 100_000,
        }
        /// The check of what was appended, and the projections that follow it.
        check: Check {
            /// Threads that apply changes; 0 means half of the cores, at least one.
            threads: usize = 0,
            /// Bytes of loaded documents kept in memory, by estimate.
            documents_bytes_max: usize = 134_217_728,
            /// Unchecked changes of one space above which its pushes wait: a check that cannot keep up must slow the
            /// writer down rather than let unexamined entries pile up.
            unchecked_changes_max: u64 = 100_000,
            /// A check that takes longer puts its document in a lane of its own, where one is checked at a time, so
            /// that the others do not wait for it. In milliseconds.
            slow_milliseconds: u64 = 250,
            /// Ends of the relay during a check of one thing after which that is not tried again: a push is refused as
            /// `dangerous`, a document of a personal space held. Whoever kills relays for other reasons, again and
            /// again and without asking them first, sets it higher.
            attempts_max: u64 = 2,
            /// How often to look for unchecked documents that no hint announced, in seconds. Heals a lost hint.
            sweep_seconds: u64 = 5,
        }
        /// What waits for its check in spaces with other people: it is durable, and has no place in the log yet.
        intake: Intake {
            /// Batches of one space that may wait. What comes beyond that waits on its device.
            space_batches_max: u64 = 65_536,
            /// Bytes of one space that may wait; a batch counts as 256 bytes more than its changes.
            space_bytes_max: u64 = 268_435_456,
            /// Batches of one account that may wait, in all spaces; of one document a quarter of that, so that one
            /// whose check is slow leaves room to the others.
            account_batches_max: u64 = 16_384,
            /// Bytes of one account that may wait, in all spaces; of one document a quarter of that.
            account_bytes_max: u64 = 67_108_864,
            /// How long a push waits for room before it is parked and its device tries again, in milliseconds.
            room_wait_milliseconds: u64 = 2_000,
        }
        /// What becomes of deleted documents.
        deleted: DeletedDocuments {
            /// Days after which a deleted document is purged: the content of its changes is dropped for good, their
            /// hashes stay. Until then anybody who may write can bring it back.
            keep_days: u64 = 30,
            /// How often to look for documents that are due, in seconds. The look reads every deletion there ever was.
            sweep_seconds: u64 = 3_600,
        }
        /// The HTTP interface.
        api: Api {
            /// Largest request body, in bytes.
            body_bytes_max: usize = 262_144,
            /// Longest time for one request, in seconds. Must exceed `after_wait_seconds`.
            request_seconds: u64 = 20,
            /// Requests being answered at once; more are refused with 503 and `Retry-After`.
            requests_max: usize = 1_024,
            /// How long `?after=` may wait, in seconds.
            after_wait_seconds: u64 = 10,
            /// Items on one page when the request does not say.
            page_default: usize = 100,
            /// Most items on one page.
            page_max: usize = 1_000,
            /// Streams of server-sent events of one account, hints and presence. A browser has one for each window,
            /// and one for each document that is open in it.
            event_streams_per_account_max: usize = 32,
            /// Bytes of changes up to which `?at=` rebuilds an earlier version of a document.
            version_bytes_max: u64 = 33_554_432,
            /// Versions that are rebuilt at once; others wait. Each may take a core for seconds.
            rebuilds_max: usize = 2,
            /// How long one request takes documents in that moved since somebody asked for their type, in seconds; then
            /// it is refused with 503 and `Retry-After`, and the next one goes on.
            find_seconds: u64 = 4,
            /// Requests that take documents in at once; others wait. Each has a core, and the writer now and then.
            indexing_max: usize = 2,
            /// Writes that are worked out at once; others wait. Each has a copy of its document in memory for as long.
            writes_max: usize = 4,
            /// Bytes of ready answers of documents kept in memory, by an estimate from above that leaves room for their
            /// compressed forms; 0 means that every request reads storage.
            ready_bytes_max: usize = 67_108_864,
            /// Free bytes on the data directory's file system below which `/readyz` says no.
            free_bytes_min: u64 = 67_108_864,
        }
        /// Document types that third parties publish (`docs/schemas.md`). What was published stays for good, so these
        /// bound what a namespace may ever add.
        types: Types {
            /// Types of one namespace.
            namespace_types_max: u64 = 32,
            /// Versions of one type.
            type_versions_max: u64 = 100,
            /// Bytes of all versions of all types of one namespace.
            namespace_bytes_max: u64 = 4_194_304,
            /// Bytes of one file: room for a thousand fields, each with a sentence.
            file_bytes_max: usize = 131_072,
            /// Types of all namespaces. The newest version of each is in memory, with its compiled patterns: seldom
            /// more than 100 KiB, about 6 MiB for one that was made to be large, and up to 16 MiB more for each thread
            /// that matches such patterns.
            published_max: u64 = 256,
        }
        /// Care of the disk, and of what is kept on it.
        care: Care {
            /// Bytes that have to be free on the disk of the data directory for edits to be taken, as a share of the
            /// disk in percent. Below that, edits wait on their devices and reads go on: a disk that is full to the
            /// last byte stops everything else on the machine as well.
            reserve_percent: u64 = 5,
            /// At least so many bytes, whatever the share.
            reserve_bytes_min: u64 = 1_073_741_824,
            /// At most so many bytes, whatever the share; 0 takes edits as long as they can be written.
            reserve_bytes_max: u64 = 8_589_934_592,
            /// Days after which everything that is kept is read and checked again, in the background; 0 is never.
            scrub_days: u64 = 7,
        }
        /// What is logged on standard error.
        log: Log {
            /// Filter, in the form of the `tracing` directives (`info`, `sync_server=debug,info`).
            filter: String = "info".to_owned(),
            /// `text` for people, `json` for machines.
            format: String = "text".to_owned(),
        }
    }
}

/// Values given on the command line, strongest of all.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--listen`
    pub listen: Option<String>,
    /// `--storage`
    pub storage: Option<String>,
    /// `--log-format`
    pub log_format: Option<String>,
}

/// Why there is no configuration to work with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file exists and cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is not TOML of the known keys.
    #[error("{}: line {line}: {reason}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Where in it, from 1.
        line: usize,
        /// The rule.
        reason: String,
    },
    /// A variable with our prefix that no field has.
    #[error("variable {name} is not known; `sync-server config show` lists every name")]
    UnknownVariable {
        /// Its name.
        name: String,
    },
    /// A value that its field cannot have.
    #[error("{name} = {value:?}: expected {expected}")]
    Value {
        /// Field or variable.
        name: String,
        /// What was given.
        value: String,
        /// The rule.
        expected: String,
    },
}

impl Intake {
    /// As storage knows them.
    const fn limits(&self) -> IntakeLimits {
        let Self { space_batches_max, space_bytes_max, account_batches_max, account_bytes_max, .. } = *self;
        IntakeLimits { space_batches_max, space_bytes_max, account_batches_max, account_bytes_max }
    }
}

impl Config {
    /// Reads `DIR/config.toml` if it is there, then `variables`, then `flags`, and checks the result.
    ///
    /// # Errors
    /// [`ConfigError`], naming file or variable, value and rule.
    pub fn load(
        directory: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
        flags: Flags,
    ) -> Result<Self, ConfigError> {
        let mut config = Self::from_file(&directory.join(FILE_NAME))?;
        config.apply_variables(variables)?;
        config.apply_flags(flags);
        config.checked()
    }

    fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(ConfigError::Unreadable { path: path.into(), source }),
        };
        toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.lines().count().max(1) + usize::from(before.ends_with('\n'));
            ConfigError::File { path: path.into(), line, reason: error.message().replace('\n', " ") }
        })
    }

    fn apply_variables(&mut self, variables: impl IntoIterator<Item = (String, String)>) -> Result<(), ConfigError> {
        let ours: BTreeMap<_, _> =
            variables.into_iter().filter(|(name, _)| name.starts_with(VARIABLE_PREFIX)).collect();
        for (name, value) in ours {
            // The data directory is an argument of every command, not a field: the file is inside it.
            if name != "SYNC_SERVER_DATA" {
                self.set_variable(&name, &value)?;
            }
        }
        Ok(())
    }

    fn apply_flags(&mut self, flags: Flags) {
        let Flags { listen, storage, log_format } = flags;
        if let Some(listen) = listen {
            self.server.listen = listen;
        }
        if let Some(storage) = storage {
            self.server.storage = storage;
        }
        if let Some(format) = log_format {
            self.log.format = format;
        }
    }

    /// What storage is opened with.
    #[must_use]
    pub fn storage_limits(&self) -> Limits {
        let AccountLimits {
            account_bytes_max,
            document_bytes_max,
            document_operations_max,
            document_entries_max,
            refused_bytes_max,
            refused_changes_max,
            keyed_requests_max,
            ..
        } = self.limits;
        let limits = Limits {
            account_bytes_max,
            document_bytes_max,
            document_ops_max: document_operations_max,
            document_entries_max,
            refused_bytes_max,
            refused_changes_max,
            keyed_requests_max,
            intake: self.intake.limits(),
            ..Limits::default()
        };
        limits.versioned()
    }

    /// How often another process's changes of access are looked for.
    #[must_use]
    pub fn access_poll(&self) -> Duration {
        Duration::from_millis(self.relay.access_poll_milliseconds.max(10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(FILE_NAME), file).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(directory.path(), variables, Flags::default())
    }

    #[test]
    fn a_missing_file_means_the_defaults() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config::load(directory.path(), [], Flags::default()).unwrap();
        assert_eq!(config, Config::default());
    }

    #[test]
    fn variables_win_over_the_file_and_flags_over_both() {
        let file = "[api]\npage_max = 500\n[server]\nlisten = \"a:1\"";
        let config = load(file, &[("SYNC_SERVER_API_PAGE_MAX", "700"), ("HOME", "/x")]).unwrap();
        assert_eq!((config.api.page_max, config.server.listen.as_str()), (700, "a:1"));
        let directory = tempfile::tempdir().unwrap();
        let flags = Flags { listen: Some("c:3".into()), ..Flags::default() };
        let variables = [("SYNC_SERVER_SERVER_LISTEN".to_owned(), "b:2".to_owned())];
        assert_eq!(Config::load(directory.path(), variables, flags).unwrap().server.listen, "c:3");
    }

    #[test]
    fn a_key_that_no_field_has_is_an_error_that_names_it() {
        let error = load("[api]\npage_maximum = 5", &[]).unwrap_err().to_string();
        assert!(error.contains("page_maximum") && error.contains("page_max"), "{error}");
        assert!(error.contains("line 2") && !error.contains('\n'), "{error}");
        let error = load("[apis]\n", &[]).unwrap_err().to_string();
        assert!(error.contains("apis"), "{error}");
        let error = load("", &[("SYNC_SERVER_API_PAGE", "5")]).unwrap_err().to_string();
        assert!(error.contains("SYNC_SERVER_API_PAGE"), "{error}");
    }

    #[test]
    fn a_value_that_its_field_cannot_have_is_an_error_that_names_value_and_rule() {
        let error = load("", &[("SYNC_SERVER_API_PAGE_MAX", "many")]).unwrap_err().to_string();
        assert!(
            error.contains("SYNC_SERVER_API_PAGE_MAX") && error.contains("many") && error.contains("usize"),
            "{error}"
        );
        let error = load("[log]\nformat = \"xml\"", &[]).unwrap_err().to_string();
        assert!(error.contains("xml") && error.contains("text or json"), "{error}");
        let error = load("[api]\nrequest_seconds = 3", &[]).unwrap_err().to_string();
        assert!(error.contains("after_wait_seconds"), "{error}");
    }

    #[test]
    fn the_effective_values_read_back_as_a_file() {
        let config = load("[api]\npage_max = 500", &[]).unwrap();
        assert_eq!(toml::from_str::<Config>(&config.to_toml()).unwrap(), config);
    }

    #[test]
    fn the_reference_describes_every_field() {
        let page = Config::reference();
        for field in Config::fields() {
            assert!(page.contains(&format!("`{}`", field.variable())), "{}", field.name);
            assert!(field.description.len() > 20, "{} needs a reason", field.name);
        }
    }
}
