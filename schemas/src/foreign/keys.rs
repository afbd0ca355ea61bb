//! Keystrokes as each editor writes them, in our spelling: `ctrl+shift+k ctrl+c`.

/// The order in which modifiers are written.
const MODIFIERS: [&str; 4] = ["ctrl", "shift", "alt", "cmd"];

/// Zed: `ctrl-shift-k ctrl-c`; the key itself may be `-`.
pub(super) fn zed(keystrokes: &str) -> Option<String> {
    each(keystrokes, |stroke| {
        let (modifiers, key) = match stroke.strip_suffix('-') {
            Some("") => ("", "-"),
            Some(before) => (before.strip_suffix('-')?, "-"),
            None => stroke.rsplit_once('-').unwrap_or(("", stroke)),
        };
        let modifiers = modifiers.split('-').filter(|part| !part.is_empty());
        stroke_of(
            modifiers.map(|modifier| match modifier {
                "ctrl" | "secondary" => Some("ctrl"),
                "shift" => Some("shift"),
                "alt" | "option" => Some("alt"),
                "cmd" | "super" | "win" => Some("cmd"),
                _ => None, // `fn` and whatever comes
            }),
            &zed_key(key)?,
        )
    })
}

/// JetBrains: `ctrl shift K`, with the names of Java's key codes; a second keystroke is an attribute of its own.
pub(super) fn jetbrains(first: &str, second: Option<&str>) -> Option<String> {
    let one = |keystroke: &str| {
        let mut parts: Vec<&str> = keystroke.split_whitespace().collect();
        let key = java_key(parts.pop()?)?;
        stroke_of(
            parts.into_iter().map(|modifier| match modifier {
                "ctrl" | "control" => Some("ctrl"),
                "shift" => Some("shift"),
                "alt" => Some("alt"),
                "meta" => Some("cmd"),
                _ => None,
            }),
            &key,
        )
    };
    let first = one(first)?;
    match second {
        Some(second) => Some(format!("{first} {}", one(second)?)),
        None => Some(first),
    }
}

fn each(keystrokes: &str, one: impl Fn(&str) -> Option<String>) -> Option<String> {
    let strokes: Option<Vec<String>> = keystrokes.split_whitespace().map(one).collect();
    strokes.filter(|strokes| !strokes.is_empty()).map(|strokes| strokes.join(" "))
}

fn stroke_of<'m>(modifiers: impl Iterator<Item = Option<&'m str>>, key: &str) -> Option<String> {
    let held: Vec<&str> = modifiers.collect::<Option<_>>()?;
    let mut parts: Vec<&str> = MODIFIERS.into_iter().filter(|modifier| held.contains(modifier)).collect();
    parts.push(key);
    Some(parts.join("+"))
}

fn zed_key(key: &str) -> Option<String> {
    let named = [
        "enter",
        "escape",
        "tab",
        "space",
        "backspace",
        "delete",
        "insert",
        "home",
        "end",
        "pageup",
        "pagedown",
        "up",
        "down",
        "left",
        "right",
    ];
    let is_single = key.chars().count() == 1;
    (is_single || named.contains(&key) || is_function_key(key)).then(|| key.to_lowercase())
}

fn is_function_key(key: &str) -> bool {
    key.strip_prefix(['f', 'F']).and_then(|number| number.parse::<u8>().ok()).is_some_and(|n| (1..=24).contains(&n))
}

fn java_key(name: &str) -> Option<String> {
    let is_plain = name.len() == 1 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_plain || is_function_key(name) {
        return Some(name.to_lowercase());
    }
    let key = match name {
        "ENTER" | "ESCAPE" | "TAB" | "SPACE" | "DELETE" | "INSERT" | "HOME" | "END" | "UP" | "DOWN" | "LEFT"
        | "RIGHT" => return Some(name.to_lowercase()),
        "BACK_SPACE" => "backspace",
        "PAGE_UP" => "pageup",
        "PAGE_DOWN" => "pagedown",
        "OPEN_BRACKET" => "[",
        "CLOSE_BRACKET" => "]",
        "BACK_SLASH" => "\\",
        "SLASH" => "/",
        "COMMA" => ",",
        "PERIOD" => ".",
        "SEMICOLON" => ";",
        "QUOTE" => "'",
        "BACK_QUOTE" => "`",
        "EQUALS" => "=",
        "MINUS" => "-",
        "ADD" => "numpad_add",
        "SUBTRACT" => "numpad_subtract",
        "MULTIPLY" => "numpad_multiply",
        "DIVIDE" => "numpad_divide",
        "DECIMAL" => "numpad_decimal",
        _ => {
            return name
                .strip_prefix("NUMPAD")
                .filter(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()))
                .map(|number| format!("numpad{number}"));
        }
    };
    Some(key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keystrokes_of_zed_are_spelt_as_here() {
        for (theirs, ours) in [
            ("ctrl-k", Some("ctrl+k")),
            ("alt-shift-ctrl-f5", Some("ctrl+shift+alt+f5")),
            ("ctrl-k ctrl-c", Some("ctrl+k ctrl+c")),
            ("ctrl--", Some("ctrl+-")),
            ("-", Some("-")),
            ("cmd-[", Some("cmd+[")),
            ("fn-f", None),
            ("ctrl-", None),
            ("ctrl-nonsense", None),
            ("", None),
        ] {
            assert_eq!(zed(theirs).as_deref(), ours, "{theirs:?}");
        }
    }

    #[test]
    fn keystrokes_of_jetbrains_are_spelt_as_here() {
        for (first, second, ours) in [
            ("ctrl shift F6", None, Some("ctrl+shift+f6")),
            ("meta OPEN_BRACKET", None, Some("cmd+[")),
            ("control K", Some("control C"), Some("ctrl+k ctrl+c")),
            ("alt NUMPAD4", None, Some("alt+numpad4")),
            ("ctrl DEAD_TILDE", None, None),
            ("ctrl", None, None),
            ("ctrl K", Some("nothing here"), None),
            ("", None, None),
        ] {
            assert_eq!(jetbrains(first, second).as_deref(), ours, "{first:?} {second:?}");
        }
    }
}
