//! Names of document types: our own are one word, those of third parties `ext.NAMESPACE.NAME`.

/// How the names of third parties' types begin.
const PREFIX: &str = "ext.";
/// Longest name of a namespace, in bytes.
pub const NAMESPACE_BYTES_MAX: usize = 28;
/// Longest name of a type in one, in bytes.
const NAME_BYTES_MAX: usize = 31;

/// The namespace of a third party's type; `None` of any other name. The rule is that of `x-type` in `types/meta.json`.
///
/// ```
/// assert_eq!(schemas::namespace_of("ext.acme.task"), Some("acme"));
/// for other in ["note", "ext.acme", "ext.acme.", "ext.Acme.task", "ext.acme.task.more", "ext.acme.../x"] {
///     assert_eq!(schemas::namespace_of(other), None, "{other}");
/// }
/// ```
#[must_use]
pub fn namespace_of(type_name: &str) -> Option<&str> {
    let (namespace, name) = type_name.strip_prefix(PREFIX)?.split_once('.')?;
    (is_namespace(namespace) && is_word(name, NAME_BYTES_MAX)).then_some(namespace)
}

/// Whether a namespace may be called so: 1 to 28 of a-z, 0-9 and -, a letter first.
#[must_use]
pub fn is_namespace(name: &str) -> bool {
    is_word(name, NAMESPACE_BYTES_MAX)
}

fn is_word(word: &str, bytes_max: usize) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins_well = word.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
    begins_well && word.len() <= bytes_max && word.bytes().all(is_allowed)
}
