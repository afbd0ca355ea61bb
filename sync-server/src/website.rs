//! The files of the website, which the build took in, and which paths it knows. How they are sent is `api::website`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

include!(concat!(env!("OUT_DIR"), "/website.rs"));

/// The page that every path of the website begins with; scripts make the rest of it.
const INDEX: &str = "index.html";
/// Not for the website, whatever it calls its pages.
const RESERVED: [&str; 5] = ["/api", "/sync", "/healthz", "/readyz", "/metrics"];

/// A file of the website.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// Below the root, without a slash at the beginning.
    pub path: &'static str,
    /// As it is.
    pub plain: &'static [u8],
    /// Compressed, if the website's build did that.
    pub brotli: Option<&'static [u8]>,
    /// The same.
    pub gzip: Option<&'static [u8]>,
}

/// What is at a path.
#[derive(Debug, Clone, Copy)]
pub enum Found<'w> {
    /// A file by its name.
    File(&'w File),
    /// A page of the website.
    Page(&'w File),
    /// No page, which the website says best itself.
    NoPage(&'w File),
    /// Nothing of the website.
    Nothing,
    /// What would be its first page, but no website was taken in.
    LeftOut,
}

/// The website, or that there is none.
#[derive(Debug)]
pub struct Website {
    files: BTreeMap<&'static str, File>,
    /// None: every path without an extension is a page.
    routes: Option<Vec<String>>,
}

impl Website {
    /// What the build took in.
    #[must_use]
    pub fn embedded() -> &'static Self {
        static WEBSITE: OnceLock<Website> = OnceLock::new();
        WEBSITE.get_or_init(|| Self::of(FILES, ROUTES))
    }

    /// Of files, and the JSON array of the patterns of its pages (`/vault/:space`; `*` at the end is any rest).
    #[must_use]
    pub fn of(files: &[File], routes: Option<&[u8]>) -> Self {
        let routes = routes.and_then(|json| serde_json::from_slice::<Vec<String>>(json).ok());
        Self {
            files: files.iter().map(|file| (file.path, *file)).collect(),
            routes: routes.filter(|all| !all.is_empty()),
        }
    }

    /// What is at a path, as it stands in the request.
    #[must_use]
    pub fn at(&self, path: &str) -> Found<'_> {
        if RESERVED.iter().any(|reserved| path.strip_prefix(reserved).is_some_and(is_end)) {
            return Found::Nothing;
        }
        let Some(index) = self.files.get(INDEX) else {
            return if path == "/" { Found::LeftOut } else { Found::Nothing };
        };
        let name = path.trim_start_matches('/');
        match self.files.get(name) {
            Some(file) if name != INDEX => Found::File(file),
            _ if name.rsplit('/').next().is_some_and(|last| last.contains('.')) => Found::Nothing,
            _ if self.has_page(path) => Found::Page(index),
            _ => Found::NoPage(index),
        }
    }

    fn has_page(&self, path: &str) -> bool {
        self.routes.as_ref().is_none_or(|routes| routes.iter().any(|route| matches(route, path)))
    }
}

fn is_end(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// Segment by segment; one at the end that is empty makes no difference.
fn matches(route: &str, path: &str) -> bool {
    let segments = |text: &'_ str| text.trim_matches('/').split('/').map(str::to_owned).collect::<Vec<_>>();
    let (route, path) = (segments(route), segments(path));
    let is_open = route.last().is_some_and(|last| last == "*");
    let fixed = if is_open { &route[..route.len() - 1] } else { &route[..] };
    let fits = if is_open { path.len() >= fixed.len() } else { path.len() == fixed.len() };
    let is_same = |(pattern, segment): (&String, &String)| {
        if pattern.starts_with(':') { !segment.is_empty() } else { pattern == segment }
    };
    fits && fixed.iter().zip(&path).all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &'static str) -> File {
        File { path, plain: path.as_bytes(), brotli: None, gzip: None }
    }

    fn check(website: &Website, path: &str, expected: &str) {
        let found = match website.at(path) {
            Found::File(file) => format!("file {}", file.path),
            Found::Page(file) => format!("page {}", file.path),
            Found::NoPage(_) => "no page".to_owned(),
            Found::Nothing => "nothing".to_owned(),
            Found::LeftOut => "left out".to_owned(),
        };
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn pages_are_what_the_website_says_and_files_what_it_has() {
        let files = [file("index.html"), file("assets/index-1a2b.js"), file("robots.txt")];
        let routes = br#"["/", "/vault", "/vault/:space/:document", "/docs/*"]"#;
        let website = Website::of(&files, Some(routes));
        for page in ["/", "/vault", "/vault/", "/vault/a/b", "/docs", "/docs/a", "/docs/a/b/c", "//"] {
            check(&website, page, "page index.html");
        }
        for none in ["/vault/a", "/vault/a/b/c", "/vaults", "/nothing", "/vault//b"] {
            check(&website, none, "no page");
        }
        check(&website, "/assets/index-1a2b.js", "file assets/index-1a2b.js");
        check(&website, "/robots.txt", "file robots.txt");
        for nothing in
            ["/index.html", "/assets/index-0.js", "/../index.html", "/.env", "/api", "/api/v2/x", "/sync", "/metrics"]
        {
            check(&website, nothing, "nothing");
        }
        check(&website, "/apis", "no page");
    }

    #[test]
    fn without_a_list_every_path_is_a_page_and_without_files_there_is_none() {
        let website = Website::of(&[file("index.html")], None);
        check(&website, "/whatever/there/is", "page index.html");
        check(&website, "/whatever.js", "nothing");
        let nothing = Website::of(&[], None);
        check(&nothing, "/", "left out");
        check(&nothing, "/vault", "nothing");
    }

    #[test]
    fn the_list_of_pages_that_was_taken_in_can_be_read() {
        let listed = ROUTES.map(|json| serde_json::from_slice::<Vec<String>>(json).map_err(|error| error.to_string()));
        assert!(listed.is_none_or(|routes| routes.is_ok_and(|all| all.iter().all(|route| route.starts_with('/')))));
        assert!(ROUTES.is_none() || !FILES.is_empty());
    }
}
