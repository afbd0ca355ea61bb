//! Comments and white space: what may stand between the parts of a file without meaning anything.

/// Length of the comments and white space at the beginning of `text`, in bytes.
pub(super) fn length(text: &str) -> usize {
    let mut at = 0;
    while let Some(piece) = piece(&text[at..]) {
        at += piece.len();
    }
    at
}

/// Whether `text` is nothing but whole comments and white space.
pub(super) fn is_trivia(text: &str) -> bool {
    length(text) == text.len()
}

/// Whether `text` is blanks and tabs.
pub(super) fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t'))
}

/// Whether there is a comment in this trivia.
pub(super) fn has_comment(trivia: &str) -> bool {
    trivia.contains('/')
}

/// Whether this trivia ends inside a line comment, so that what is put after it would belong to the comment.
pub(super) fn is_open(trivia: &str) -> bool {
    let mut last = "";
    let mut at = 0;
    while let Some(piece) = piece(&trivia[at..]) {
        at += piece.len();
        last = piece;
    }
    last.starts_with("//")
}

/// The part of this trivia that belongs to the line before: all up to the first line end outside of comments, or
/// nothing if there is no line end.
pub(super) fn same_line(trivia: &str) -> &str {
    let mut at = 0;
    while let Some(piece) = piece(&trivia[at..]) {
        if piece == "\n" || piece == "\r" {
            return &trivia[..at];
        }
        at += piece.len();
    }
    ""
}

/// The lines of this trivia, without their line feeds; a comment over several lines counts as one.
pub(super) fn lines(trivia: &str) -> Vec<&str> {
    let (mut lines, mut start, mut at) = (Vec::new(), 0, 0);
    while let Some(piece) = piece(&trivia[at..]) {
        at += piece.len();
        if piece == "\n" {
            lines.push(&trivia[start..at - 1]);
            start = at;
        }
    }
    lines.push(&trivia[start..]);
    lines
}

/// The indentation with which this trivia ends: the blanks after its last line end.
pub(super) fn indentation(trivia: &str) -> Option<&str> {
    trivia.rsplit_once('\n').map(|(_, last)| last).filter(|last| is_blank(last))
}

/// The first comment (a line comment without its line end) or character of white space.
fn piece(text: &str) -> Option<&str> {
    let length = if text.starts_with("//") {
        text.find(['\n', '\r']).unwrap_or(text.len())
    } else if let Some(body) = text.strip_prefix("/*") {
        body.find("*/")? + "/**/".len()
    } else {
        text.chars().next().filter(|first| first.is_whitespace())?.len_utf8()
    };
    Some(&text[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_white_space_are_told_from_values() {
        for text in ["", " \t\r\n\u{b}\u{a0}", "// a", "/* \" */ //", "/***/\n", "//\r\n/* // */"] {
            assert!(is_trivia(text), "{text:?}");
        }
        for text in ["1", "/", "/*", "/* *", "/*/", " , ", "// a\n1", "\u{feff}"] {
            assert!(!is_trivia(text), "{text:?}");
        }
    }

    #[test]
    fn an_open_line_comment_is_seen() {
        assert!(is_open(" // a") && is_open("/* */ // /* */") && is_open("\n//"));
        assert!(!is_open("// a\n") && !is_open("/* // */") && !is_open("// a\r") && !is_open(""));
    }

    #[test]
    fn a_line_ends_outside_of_comments_only() {
        for (text, expected) in
            [(" // a\n  ", " // a"), (" /* \n */ \n", " /* \n */ "), ("\r\n", ""), ("  ", ""), ("/* a */ \"", "")]
        {
            assert_eq!(same_line(text), expected, "{text:?}");
        }
    }
}
