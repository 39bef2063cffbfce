//! Text of others, as a terminal and the log of a CI system may show it. Pure.
//!
//! Builds, specs, archives and servers decide what is in their output, their names and their messages. Written as it is,
//! such text could move the cursor, rename the window, fill the clipboard, or give orders to a CI system. Escape sequences
//! are taken out; what else is no text is written as in Rust, `\u{7}` or `\r`; a backslash stands in what a CI system would
//! take for an order. [`json`] keeps everything, by JSON's own escapes.
//!
//! Sequences: ECMA-48. Orders: `::name` at the start of a line and `##[name]` anywhere (GitHub Actions),
//! `##vso[…]` (Azure Pipelines), `##teamcity[…]`.

use std::borrow::Cow;
use std::fmt::Write;

/// One line of text. A line feed in it does not count as one, so that no text pretends to be two lines.
pub fn line(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_shown) && !may_give_orders(text) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            '\u{1b}' => rest = &rest[sequence(rest)..],
            '[' if is_before_bracket(&shown) => shown.push_str("\\["),
            letter if is_shown(letter) => shown.push(letter),
            letter => shown.extend(letter.escape_default()),
        }
    }
    let start = shown.len() - shown.trim_start().len();
    if shown[start..].starts_with("::") {
        shown.insert(start, '\\');
    }
    Cow::Owned(shown)
}

/// Several lines, each as by [`line()`].
pub fn text(text: &str) -> String {
    let lines = text.split('\n').map(|one| line(one.strip_suffix('\r').unwrap_or(one)));
    lines.collect::<Vec<_>>().join("\n")
}

/// `text`, a JSON document, which means the same with less characters that a terminal takes for something else.
pub fn json(text: &str) -> Cow<'_, str> {
    // The line feed stands between documents.
    if text.chars().all(|letter| is_shown(letter) || letter == '\n') && !text.contains("##") {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        let is_order = letter == '[' && is_before_bracket(&escaped);
        if !is_order && (is_shown(letter) || letter == '\n') {
            escaped.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                // A string takes all that is written to it.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    Cow::Owned(escaped)
}

/// True for a name that is shown as it is, in one line.
pub fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().all(|letter| is_shown(letter) && letter != '\t')
}

/// True for such a name that a file in a folder can have.
pub fn is_file_name(name: &str) -> bool {
    is_name(name) && ![".", ".."].contains(&name) && !name.contains('/')
}

/// What is left to see of a line of output that rewrites itself by carriage returns, as progress bars do.
pub fn last_written(line: &str) -> &str {
    let parts = line.trim_end().rsplit('\r');
    parts.map(str::trim_end).find(|part| !part.is_empty()).unwrap_or_default()
}

/// The first `most` characters of `line`.
pub fn shortened(line: &str, most: usize) -> Cow<'_, str> {
    match line.char_indices().nth(most) {
        Some((at, _)) => Cow::Owned(format!("{}…", &line[..at])),
        None => Cow::Borrowed(line),
    }
}

/// False for control characters, and for what changes the order of letters or cannot be seen.
fn is_shown(letter: char) -> bool {
    let is_hidden = matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    letter == '\t' || !(letter.is_control() || is_hidden)
}

fn may_give_orders(text: &str) -> bool {
    text.contains("##") || text.trim_start().starts_with("::")
}

/// True when `##` and letters stand at the end.
fn is_before_bracket(shown: &str) -> bool {
    shown.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()).ends_with("##")
}

/// How many bytes behind an escape character belong to its sequence.
fn sequence(rest: &str) -> usize {
    let run = |from: usize, range: std::ops::RangeInclusive<u8>| {
        from + rest.as_bytes()[from..].iter().take_while(|byte| range.contains(byte)).count()
    };
    let ended = |at: usize, range: std::ops::RangeInclusive<u8>| {
        at + usize::from(rest.as_bytes().get(at).is_some_and(|byte| range.contains(byte)))
    };
    match rest.as_bytes().first() {
        Some(b'[') => ended(run(run(1, 0x30..=0x3f), 0x20..=0x2f), 0x40..=0x7e),
        Some(b']' | b'P' | b'X' | b'^' | b'_') => control_string(rest),
        Some(0x20..=0x2f) => ended(run(0, 0x20..=0x2f), 0x30..=0x7e),
        Some(0x30..=0x7e) => 1,
        _ => 0,
    }
}

/// The length of a control string with its end; one without an end goes on to the end of the line.
fn control_string(rest: &str) -> usize {
    match rest.find(['\u{7}', '\u{1b}', '\u{9c}', '\n']) {
        None => rest.len(),
        Some(end) if rest[end..].starts_with("\u{1b}\\") => end + 2,
        // Another sequence begins, or another line.
        Some(end) if rest[end..].starts_with(['\u{1b}', '\n']) => end,
        Some(end) => end + rest[end..].chars().next().map_or(0, char::len_utf8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_as_it_is() {
        for plain in ["a\tb ü 語 👩‍💻", "[1/2] built a-1", "a::b", "x = a[1]; # [b] ## c", "#[error]", "", " : "]
        {
            assert_eq!(line(plain), plain);
            assert_eq!(text(plain), plain);
            assert_eq!(json(plain), plain);
        }
    }

    #[test]
    fn names_of_files_are_shown_as_they_are() {
        for name in ["a", "a b", "..a", "ü-1.0"] {
            assert!(is_file_name(name), "{name}");
        }
        for name in ["", ".", "..", "a/b", "/", "a\nb", "a\tb", "\u{1b}[1m", "\0", "a\u{202e}b"] {
            assert!(!is_file_name(name), "{name:?}");
        }
    }

    #[test]
    fn sequences_are_taken_out() {
        for (raw, shown) in [
            ("\u{1b}[1;31merror:\u{1b}[0m\u{1b}[K no", "error: no"),
            ("\u{1b}[1A\u{1b}[2K[9/9] built ok", "[9/9] built ok"),
            ("a\u{1b}]0;title\u{7}b", "ab"),
            ("a\u{1b}]52;c;cm0gLXJm\u{1b}\\b", "ab"),
            ("a\u{1b}]8;;http://x\u{9c}b", "ab"),
            ("a\u{1b}Pq#0\u{1b}[31mb", "ab"),
            ("a\u{1b}]0;no end", "a"),
            ("a\u{1b}]0;no end\nb", "a\\nb"),
            ("a\u{1b}(B\u{1b}cb\u{1b}7", "ab"),
            ("a\u{1b}[", "a"),
            ("a\u{1b}[31", "a"),
            ("a\u{1b}ü\u{1b}", "aü"),
            ("a\u{1b}\u{1b}[31mb", "ab"),
        ] {
            assert_eq!(line(raw), shown, "{raw:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_written_in_words() {
        assert_eq!(line("a\u{7}\u{8}\0\u{7f}b\r\nc"), "a\\u{7}\\u{8}\\u{0}\\u{7f}b\\r\\nc");
        assert_eq!(
            line("\u{9b}31m \u{202e}txt\u{2066} \u{2028}\u{feff}\u{e0041}"),
            "\\u{9b}31m \\u{202e}txt\\u{2066} \\u{2028}\\u{feff}\\u{e0041}"
        );
        assert_eq!(text("a\r\nb\rc\n\n"), "a\nb\\rc\n\n");
    }

    #[test]
    fn nobody_is_given_orders() {
        for (raw, shown) in [
            ("::error::x", "\\::error::x"),
            (" \t::add-mask::x", " \t\\::add-mask::x"),
            ("\u{1b}[0m::error::x", "\\::error::x"),
            ("##[error]x", "##\\[error]x"),
            ("a ###[group]", "a ###\\[group]"),
            ("##vso[task.setvariable variable=x]y", "##vso\\[task.setvariable variable=x]y"),
            ("##\u{1b}[0m[error]", "##\\[error]"),
            ("#\u{1b}[m#[error]##teamcity[x]", "##\\[error]##teamcity\\[x]"),
        ] {
            assert_eq!(line(raw), shown, "{raw:?}");
        }
        assert_eq!(text("ok\n::error::x\r\n"), "ok\n\\::error::x\n");
    }

    #[test]
    fn json_says_the_same() {
        let raw =
            serde_json::to_string("\u{1b}[31m \u{9b} \u{202e} \u{e0041} ü\n##[x] ##vso[y] #[z]").unwrap() + "\n{}";
        let escaped = json(&raw);
        let text = "\\u001b[31m \\u009b \\u202e \\udb40\\udc41 ü\\n##\\u005bx] ##vso\\u005by] #[z]";
        assert_eq!(escaped, format!("\"{text}\"\n{{}}"));
        let value = |text: &str| serde_json::from_str::<String>(text.lines().next().unwrap()).unwrap();
        assert_eq!(value(&escaped), value(&raw));
    }

    #[test]
    fn a_line_that_rewrites_itself_is_its_last_state() {
        assert_eq!(last_written("1%\r 50%\r100%  \r\n"), "100%");
        assert_eq!(last_written("done\r\r  \n"), "done");
        assert_eq!([last_written("plain"), last_written("\r\n"), last_written("")], ["plain", "", ""]);
    }

    #[test]
    fn long_lines_are_cut_at_a_letter() {
        assert_eq!(shortened("üüü", 2), "üü…");
        assert_eq!(shortened("üüü", 3), "üüü");
    }

    proptest::proptest! {
        #[test]
        fn nothing_slips_through(raw in "(\u{1b}|\\[|\\]|##?|vso|::|\r|\n|\u{7}|\u{9b}|[a-z;0-9 ]|\u{202e}|\\PC){0,40}") {
            let shown = line(&raw);
            proptest::prop_assert!(shown.chars().all(is_shown), "{shown:?}");
            proptest::prop_assert!(!shown.contains("##[") && !shown.contains("##vso["), "{shown:?}");
            proptest::prop_assert!(!shown.trim_start().starts_with("::"), "{shown:?}");
            proptest::prop_assert_eq!(line(&shown), shown.clone(), "what is clean stays as it is");
        }
    }
}
