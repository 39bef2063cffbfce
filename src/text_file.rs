//! Text files of users, whatever editor wrote them.

use std::io;
use std::path::Path;

use crate::regular;

/// The text of the file `path`, as by [`plain`].
pub fn read(path: &Path) -> io::Result<String> {
    regular::read_to_string(path).map(plain)
}

/// `text` without the byte order mark that some editors begin a file with, and with a line feed alone at each line's end.
pub fn plain(text: String) -> String {
    let is_plain = !text.starts_with('\u{feff}') && !text.contains("\r\n");
    if is_plain { text } else { text.trim_start_matches('\u{feff}').replace("\r\n", "\n") }
}

/// `text` without the byte order mark that some editors put before it.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// What in `text` other programs than this one would take for content, with its line: a byte order mark, or line ends of
/// another system. None when they read it as it is meant.
pub fn foreign(text: &[u8]) -> Option<String> {
    if text.starts_with("\u{feff}".as_bytes()) {
        return Some("line 1: it begins with a byte order mark; save it as UTF-8 without one".to_owned());
    }
    let at = text.windows(2).position(|pair| pair == b"\r\n")?;
    let line = text[..=at].split(|byte| *byte == b'\n').count();
    Some(format!("line {line}: it ends with a carriage return; save the file with the line ends of Unix"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_carriage_returns_at_line_ends_do_not_count() {
        assert_eq!(plain("\u{feff}a\r\nb\rc\n\r\n".to_owned()), "a\nb\rc\n\n");
        assert_eq!(plain("a\n\u{feff}b\n".to_owned()), "a\n\u{feff}b\n");
    }

    #[test]
    fn what_is_no_content_is_found() {
        assert_eq!(without_mark("\u{feff}a\u{feff}"), "a\u{feff}");
        assert_eq!(foreign(b"%a b\n%c \\\n  d\r"), None);
        assert!(foreign(b"%a b\n%c d\r\n").unwrap().starts_with("line 2: "));
        assert!(foreign("\u{feff}%a b\n".as_bytes()).unwrap().contains("byte order mark"));
    }
}
