//! What values have to do with each other, and which ones no field can have whatever its type.

use super::{Config, ConfigError};

impl Config {
    /// Itself, if all of it makes sense.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first field that does not.
    pub(super) fn checked(self) -> Result<Self, ConfigError> {
        let refuse = |name: &str, value: String, expected: &str| {
            Err(ConfigError::Value { name: name.to_owned(), value, expected: expected.to_owned() })
        };
        if !matches!(self.log.format.as_str(), "text" | "json") {
            return refuse("log.format", self.log.format, "text or json");
        }
        if !is_public_url(&self.server.public_url) {
            return refuse(
                "server.public_url",
                self.server.public_url,
                "https://HOST or http://HOST:PORT, without a path",
            );
        }
        if self.api.request_seconds <= self.api.after_wait_seconds {
            return refuse(
                "api.request_seconds",
                self.api.request_seconds.to_string(),
                "more than api.after_wait_seconds",
            );
        }
        if self.api.page_default == 0 || self.api.page_default > self.api.page_max {
            return refuse("api.page_default", self.api.page_default.to_string(), "from 1 to api.page_max");
        }
        if self.relay.pushed_bytes_max < sync_wire::limits::PUSH_CREDIT_BYTES {
            return refuse(
                "relay.pushed_bytes_max",
                self.relay.pushed_bytes_max.to_string(),
                "at least 4194304, the credit of one device",
            );
        }
        for (name, value) in [
            ("connections.total_max", self.connections.total_max),
            ("connections.per_address_max", self.connections.per_address_max),
            ("relay.sessions_per_account_max", self.relay.sessions_per_account_max),
            ("relay.sessions_per_device_max", self.relay.sessions_per_device_max),
            ("api.requests_max", self.api.requests_max),
            ("api.writes_max", self.api.writes_max),
            ("limits.frames_burst", self.limits.frames_burst as usize),
            ("limits.bytes_burst", self.limits.bytes_burst as usize),
            ("limits.shared_bytes_burst", self.limits.shared_bytes_burst as usize),
            ("limits.shared_operations_burst", self.limits.shared_operations_burst as usize),
            ("limits.operations_burst", self.limits.operations_burst as usize),
        ] {
            if value == 0 {
                return refuse(name, "0".to_owned(), "at least 1");
            }
        }
        Ok(self)
    }
}

/// Nothing, or scheme and host as browsers write them.
fn is_public_url(text: &str) -> bool {
    let after_scheme = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let Some(host) = after_scheme else { return text.is_empty() };
    let is_sign = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    let host = host.strip_suffix('/').unwrap_or(host);
    !host.is_empty() && host.bytes().all(is_sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_scheme_and_host_and_nothing_else() {
        for good in ["", "https://vault.example.org", "https://a/", "http://127.0.0.1:8470", "http://[::1]:8470"] {
            assert!(is_public_url(good), "{good}");
        }
        for wrong in
            ["vault.example.org", "ftp://a", "https://", "https://a/b", "https://A", "https://u@a", "https://a?b"]
        {
            assert!(!is_public_url(wrong), "{wrong}");
        }
        let mut config = Config::default();
        config.server.public_url = "a.example".to_owned();
        let error = config.checked().unwrap_err().to_string();
        assert!(error.contains("a.example") && error.contains("https://HOST"), "{error}");
    }
}
