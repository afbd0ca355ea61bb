//! What only browsers send: the cookie of a session, and from which site a request comes.
//!
//! A browser sends the cookie with whatever any page asks of the relay. So it counts only where the browser says that a
//! page of the relay itself asks (`Sec-Fetch-Site`, or `Origin` where a browser does not say that), or, for what
//! changes nothing, that no page does. Whoever sends a token of his own is no browser, and is asked nothing of this.

use http::header::{COOKIE, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::config::Config;

/// The cookie where the browser came by HTTPS: no other host, and nobody in between, can set one of that name.
const SECURE_COOKIE: &str = "__Host-vault-session";
/// The cookie on loopback, where browsers take no `__Host-` one without TLS.
const PLAIN_COOKIE: &str = "vault-session";
/// Longest secret that is looked at.
const SECRET_BYTES_MAX: usize = 256;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Another site, or nobody knows which, asks in the name of whoever is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request comes from another site than the relay's own pages; programs send a token instead of a cookie")]
pub struct CrossSite;

/// A request as the browser that sent it sees it.
#[derive(Debug)]
pub struct Browser<'r> {
    config: &'r Config,
    headers: &'r HeaderMap,
}

impl<'r> Browser<'r> {
    /// Of a request with these headers.
    #[must_use]
    pub const fn of(config: &'r Config, headers: &'r HeaderMap) -> Self {
        Self { config, headers }
    }

    /// The secret of its session. One cookie of the name is taken: of two, one is somebody else's.
    #[must_use]
    pub fn secret(&self) -> Option<&'r str> {
        let cookies = self.headers.get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
        let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut secrets = pairs.filter(|(name, _)| *name == self.cookie_name()).map(|(_, secret)| secret);
        let (Some(secret), None) = (secrets.next(), secrets.next()) else { return None };
        (!secret.is_empty() && secret.len() <= SECRET_BYTES_MAX).then_some(secret)
    }

    /// Whether its cookie may count for this method.
    ///
    /// # Errors
    /// [`CrossSite`]
    pub fn check(&self, method: &Method) -> Result<(), CrossSite> {
        let changes_nothing = method == Method::GET || method == Method::HEAD;
        let is_ours = match (self.site(), self.headers.get(ORIGIN)) {
            (Some(site), _) => site == "same-origin" || (site == "none" && changes_nothing),
            (None, Some(origin)) => self.is_own(origin),
            (None, None) => changes_nothing,
        };
        if is_ours { Ok(()) } else { Err(CrossSite) }
    }

    /// Whether a page of the relay may have sent it that needs no cookie: nobody is to be signed in by another site.
    /// What is no browser says nothing of sites.
    ///
    /// # Errors
    /// [`CrossSite`]
    pub fn check_without_cookie(&self) -> Result<(), CrossSite> {
        match (self.site(), self.headers.get(ORIGIN)) {
            (None, None) => Ok(()),
            _ => self.check(&Method::POST),
        }
    }

    /// The header that gives the browser a session, for so many seconds.
    #[must_use]
    pub fn cookie(&self, secret: &str, seconds: u64) -> HeaderValue {
        let secure = if self.is_secure() { "; Secure" } else { "" };
        let name = self.cookie_name();
        let cookie = format!("{name}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        let mut value = HeaderValue::try_from(cookie).unwrap_or_else(|_| unreachable!("letters, digits and signs"));
        value.set_sensitive(true);
        value
    }

    /// The header that takes it away.
    #[must_use]
    pub fn no_cookie(&self) -> HeaderValue {
        self.cookie("", 0)
    }

    fn cookie_name(&self) -> &'static str {
        if self.is_secure() { SECURE_COOKIE } else { PLAIN_COOKIE }
    }

    /// Whether the browser came by HTTPS, as far as configuration or the proxy says. Whoever lies about it gets a
    /// cookie that his browser does not keep.
    fn is_secure(&self) -> bool {
        let is_forwarded = self.headers.get(X_FORWARDED_PROTO).is_some_and(|scheme| scheme == "https");
        is_forwarded || self.config.server.public_url.starts_with("https:")
    }

    fn site(&self) -> Option<&str> {
        // One that cannot be read is none of those that are good.
        self.headers.get(SEC_FETCH_SITE).map(|site| site.to_str().unwrap_or_default())
    }

    fn is_own(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        let public = self.config.server.public_url.trim_end_matches('/');
        if !public.is_empty() && origin == public {
            return true;
        }
        // The cookie is of the host that the browser asks, so a page of that host may use it.
        let host = self.headers.get(HOST).and_then(|host| host.to_str().ok());
        let scheme = if self.is_secure() { "https://" } else { "http://" };
        host.is_some() && origin.strip_prefix(scheme) == host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        headers
    }

    fn config(public_url: &str) -> Config {
        let mut config = Config::default();
        config.server.public_url = public_url.to_owned();
        config
    }

    #[test]
    fn a_cookie_counts_for_pages_of_the_relay_only() {
        let check = |method: Method, pairs: &[(&'static str, &str)], expected: bool| {
            let (config, all) = (config(""), headers(&[&[("host", "127.0.0.1:8470")], pairs].concat()));
            assert_eq!(Browser::of(&config, &all).check(&method).is_ok(), expected, "{method} {pairs:?}");
        };
        for (site, read, write) in [
            ("same-origin", true, true),
            ("none", true, false),
            ("same-site", false, false),
            ("cross-site", false, false),
        ] {
            check(Method::GET, &[("sec-fetch-site", site)], read);
            check(Method::HEAD, &[("sec-fetch-site", site)], read);
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
                check(method, &[("sec-fetch-site", site)], write);
            }
        }
        // Where a browser does not say the site, its origin is compared, for reading too: sockets send one.
        for method in [Method::GET, Method::POST] {
            check(method.clone(), &[("origin", "http://127.0.0.1:8470")], true);
            for other in ["http://127.0.0.1:3000", "https://127.0.0.1:8470", "http://evil", "null", ""] {
                check(method.clone(), &[("origin", other)], false);
            }
        }
        check(Method::GET, &[], true);
        check(Method::POST, &[], false);
        check(Method::POST, &[("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8470")], false);
    }

    #[test]
    fn the_origin_is_the_one_that_is_configured_or_asked() {
        let check = |public_url: &str, pairs: &[(&'static str, &str)], expected: bool| {
            let (config, all) = (config(public_url), headers(pairs));
            assert_eq!(Browser::of(&config, &all).check(&Method::POST).is_ok(), expected, "{public_url} {pairs:?}");
        };
        check("https://vault.example", &[("origin", "https://vault.example"), ("host", "inside:1")], true);
        check("https://vault.example", &[("origin", "http://vault.example"), ("host", "vault.example")], false);
        check("", &[("origin", "https://a"), ("host", "a"), ("x-forwarded-proto", "https")], true);
        check("", &[("origin", "https://a"), ("host", "a")], false);
        check("", &[("origin", "http://")], false);
    }

    #[test]
    fn one_cookie_of_the_name_is_taken_and_by_https_the_strict_one() {
        let secret = |public_url: &str, cookies: &[&str]| {
            let pairs: Vec<_> = cookies.iter().map(|cookies| ("cookie", *cookies)).collect();
            let (config, all) = (config(public_url), headers(&pairs));
            Browser::of(&config, &all).secret().map(str::to_owned)
        };
        assert_eq!(secret("", &["a=b; vault-session=s; c=d"]).as_deref(), Some("s"));
        assert_eq!(secret("", &["a=b", "vault-session=s"]).as_deref(), Some("s"));
        assert_eq!(secret("", &["vault-session=s; vault-session=t"]), None);
        assert_eq!(secret("", &["vault-session=", "xvault-session=s", "__Host-vault-session=s"]), None);
        assert_eq!(secret("https://a", &["vault-session=s; __Host-vault-session=t"]).as_deref(), Some("t"));
        assert_eq!(secret("https://a", &["vault-session=s"]), None);
        assert_eq!(secret("", &[&format!("vault-session={}", "x".repeat(SECRET_BYTES_MAX + 1))]), None);
    }

    #[test]
    fn a_cookie_is_for_this_host_and_no_script() {
        let (plain, secure, none) = (config(""), config("https://a"), HeaderMap::new());
        assert_eq!(
            Browser::of(&plain, &none).cookie("s", 60),
            "vault-session=s; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            Browser::of(&secure, &none).cookie("s", 60),
            "__Host-vault-session=s; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        assert!(Browser::of(&plain, &none).no_cookie().to_str().unwrap().contains("=; Path=/; Max-Age=0;"));
    }
}
