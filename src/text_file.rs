//! Text files of users, whatever editor wrote them.

use std::io;
use std::path::Path;

/// The text of the file `path`, as by [`plain`].
pub fn read(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path).map(plain)
}

/// `text` without the byte order mark that some editors begin a file with, and with a line feed alone at each line's end.
pub fn plain(text: String) -> String {
    let is_plain = !text.starts_with('\u{feff}') && !text.contains("\r\n");
    if is_plain { text } else { text.trim_start_matches('\u{feff}').replace("\r\n", "\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_carriage_returns_at_line_ends_do_not_count() {
        assert_eq!(plain("\u{feff}a\r\nb\rc\n\r\n".to_owned()), "a\nb\rc\n\n");
        assert_eq!(plain("a\n\u{feff}b\n".to_owned()), "a\n\u{feff}b\n");
    }
}
