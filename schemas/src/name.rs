//! Names of document types: our own are one word, those of third parties `ext.NAMESPACE.NAME`.

/// How the names of third parties' types begin.
const PREFIX: &str = "ext.";
/// Longest name of a namespace, in bytes.
pub const NAMESPACE_BYTES_MAX: usize = 28;
/// Longest name of a type of our own, in bytes.
const OWN_BYTES_MAX: usize = 63;
/// Longest name of a type in one, in bytes.
const NAME_BYTES_MAX: usize = 31;

/// Whether a document type may be called so: one word of at most 63 bytes, as our own are, or `ext.PUBLISHER.NAME`;
/// words are of a-z, 0-9 and -, a letter first. The rule is that of `x-type` in `types/meta.json`.
///
/// ```
/// for name in ["note", "ext.acme.task"] {
///     assert!(schemas::is_type_name(name), "{name}");
/// }
/// for other in ["", "Note", "1st", "acme.task", "ext.acme", "ext.acme.", "ext..task", "ext.acme.task.more"] {
///     assert!(!schemas::is_type_name(other), "{other}");
/// }
/// ```
#[must_use]
pub const fn is_type_name(name: &str) -> bool {
    let [b'e', b'x', b't', b'.', rest @ ..] = name.as_bytes() else {
        return is_word(name.as_bytes(), OWN_BYTES_MAX);
    };
    let mut dot = 0;
    while dot < rest.len() && rest[dot] != b'.' {
        dot += 1;
    }
    match rest.split_at(dot) {
        (namespace, [b'.', name @ ..]) => is_word(namespace, NAMESPACE_BYTES_MAX) && is_word(name, NAME_BYTES_MAX),
        _ => false,
    }
}

/// The namespace of a third party's type; `None` of any other name.
///
/// ```
/// assert_eq!(schemas::namespace_of("ext.acme.task"), Some("acme"));
/// for other in ["note", "ext.acme", "ext.acme.", "ext.Acme.task", "ext.acme.task.more", "ext.acme.../x"] {
///     assert_eq!(schemas::namespace_of(other), None, "{other}");
/// }
/// ```
#[must_use]
pub fn namespace_of(type_name: &str) -> Option<&str> {
    let (namespace, _) = type_name.strip_prefix(PREFIX)?.split_once('.')?;
    is_type_name(type_name).then_some(namespace)
}

/// Whether a namespace may be called so: 1 to 28 of a-z, 0-9 and -, a letter first.
#[must_use]
pub fn is_namespace(name: &str) -> bool {
    is_word(name.as_bytes(), NAMESPACE_BYTES_MAX)
}

const fn is_word(word: &[u8], bytes_max: usize) -> bool {
    let [b'a'..=b'z', rest @ ..] = word else { return false };
    let mut at = 0;
    while at < rest.len() && matches!(rest[at], b'a'..=b'z' | b'0'..=b'9' | b'-') {
        at += 1;
    }
    at == rest.len() && word.len() <= bytes_max
}
