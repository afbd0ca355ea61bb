//! JSON Pointers (RFC 6901) as paths of the flat form.

use std::borrow::Cow;

/// A key as one segment of a JSON Pointer: `~` becomes `~0`, `/` becomes `~1`.
///
/// ```
/// assert_eq!(schemas::escape("a/b"), "a~1b");
/// ```
#[must_use]
pub fn escape(key: &str) -> Cow<'_, str> {
    if key.contains(['~', '/']) { Cow::Owned(key.replace('~', "~0").replace('/', "~1")) } else { Cow::Borrowed(key) }
}

/// The keys of `path`, from the outside in.
pub(crate) fn keys(path: &str) -> impl Iterator<Item = String> {
    path.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~"))
}

/// `path` one key deeper.
///
/// ```
/// assert_eq!(schemas::join("/base", "editor.tabSize"), "/base/editor.tabSize");
/// ```
#[must_use]
pub fn join(path: &str, key: &str) -> String {
    format!("{path}/{}", escape(key))
}

/// The key that a segment of a JSON Pointer stands for.
///
/// ```
/// assert_eq!(schemas::unescape("a~1b"), "a/b");
/// ```
#[must_use]
pub fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}
