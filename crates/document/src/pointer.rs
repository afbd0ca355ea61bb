//! Paths of leaves: JSON Pointers (RFC 6901) within the bounds of a stored key.

use std::borrow::Cow;

use crate::limits::{PATH_BYTES_MAX, TYPE_NAME_BYTES_MAX, VALUE_DEPTH_MAX};

/// Checks that `path` is a JSON Pointer that a leaf may have (the empty pointer, the whole document, passes too).
/// `Err` holds the rule and the remedy.
pub(crate) fn check(path: &str) -> Result<(), &'static str> {
    if path.len() > PATH_BYTES_MAX {
        return Err("a path has at most 1024 bytes; use shorter keys");
    }
    if path.is_empty() {
        return Ok(());
    }
    if !path.starts_with('/') {
        return Err("a path is a JSON Pointer and begins with `/`; write `/editor.tabSize`");
    }
    if path == "/" || path.starts_with("//") {
        return Err("the first key of a path is not empty (`/` holds the document type); name a key, as in `/title`");
    }
    if path.contains('\0') {
        return Err("a path holds no zero character; remove it");
    }
    if path.bytes().filter(|byte| *byte == b'/').count() > VALUE_DEPTH_MAX {
        return Err("a path is at most 64 keys deep; store the inner part as one register");
    }
    let mut escapes = path.split('~').skip(1);
    if !escapes.all(|after| after.starts_with('0') || after.starts_with('1')) {
        return Err("`~` in a path is written `~0` and `/` in a key `~1`");
    }
    Ok(())
}

/// Whether `name` can name a document type: 1 to 64 of `a-z 0-9 - _ .`, beginning with a letter.
pub(crate) fn is_type_name(name: &str) -> bool {
    name.len() <= TYPE_NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte))
}

/// The keys of `path`, unescaped, from the outside in.
pub(crate) fn keys(path: &str) -> impl Iterator<Item = Cow<'_, str>> {
    path.split('/').skip(1).map(|key| {
        if key.contains('~') { Cow::Owned(key.replace("~1", "/").replace("~0", "~")) } else { Cow::Borrowed(key) }
    })
}

/// Appends `key`, escaped, to `path`.
pub(crate) fn push(path: &mut String, key: &str) {
    path.push('/');
    for character in key.chars() {
        match character {
            '~' => path.push_str("~0"),
            '/' => path.push_str("~1"),
            other => path.push(other),
        }
    }
}

/// The proper ancestors of `path` that a leaf may have, nearest first; the whole document is not among them.
pub(crate) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.rmatch_indices('/').map(|(at, _)| &path[..at]).filter(|ancestor| !ancestor.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_escaping() {
        let mut path = String::new();
        for key in ["a/b", "m~n", "", "~1"] {
            push(&mut path, key);
        }
        assert_eq!(path, "/a~1b/m~0n//~01");
        assert_eq!(keys(&path).collect::<Vec<_>>(), ["a/b", "m~n", "", "~1"]);
        assert_eq!(ancestors("/a/b/c").collect::<Vec<_>>(), ["/a/b", "/a"]);
    }

    #[test]
    fn paths_and_type_names_that_break_a_rule_are_refused() {
        for path in ["a", "/", "//x", "/a~", "/a~2", "/\0", "/a\0text"] {
            assert!(check(path).is_err(), "{path:?}");
        }
        let longest = format!("/{}", "x".repeat(PATH_BYTES_MAX - 1));
        assert_eq!(check(&longest), Ok(()));
        assert!(check(&format!("{longest}x")).is_err());
        assert_eq!(check(&"/x".repeat(VALUE_DEPTH_MAX)), Ok(()));
        assert!(check(&"/x".repeat(VALUE_DEPTH_MAX + 1)).is_err());
        assert!(is_type_name(&"a".repeat(TYPE_NAME_BYTES_MAX)) && !is_type_name(&"a".repeat(TYPE_NAME_BYTES_MAX + 1)));
        assert!(!is_type_name("") && !is_type_name("Note") && !is_type_name("/x") && !is_type_name("a b"));
    }
}
