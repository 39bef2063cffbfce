//! Matches a path with a pattern of a `%files` section: `*`, `?`, `[…]` and `{a,b}` as glob(3) takes them.

/// True when `pattern` has a letter that glob(3) does not take literally.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// True when `pattern` matches the whole of `text`. `*` and `?` do not match a `/`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    match_bytes(pattern.as_bytes(), text.as_bytes())
}

fn match_bytes(pattern: &[u8], text: &[u8]) -> bool {
    let (Some(&head), tail) = (pattern.first(), pattern.get(1..).unwrap_or_default()) else { return text.is_empty() };
    let rest = text.get(1..).unwrap_or_default();
    match head {
        b'*' => {
            let reach = text.iter().position(|&letter| letter == b'/').unwrap_or(text.len());
            (0..=reach).any(|taken| match_bytes(tail, &text[taken..]))
        }
        b'?' => text.first().is_some_and(|&letter| letter != b'/') && match_bytes(tail, rest),
        b'[' => match tail.iter().skip(1).position(|&letter| letter == b']') {
            Some(end) => {
                text.first().is_some_and(|&letter| in_class(&tail[..=end], letter))
                    && match_bytes(&tail[end + 2..], rest)
            }
            None => text.first() == Some(&head) && match_bytes(tail, rest),
        },
        b'{' => match alternatives(tail) {
            Some((choices, after)) => choices.iter().any(|choice| match_bytes(&[choice, after].concat(), text)),
            None => text.first() == Some(&head) && match_bytes(tail, rest),
        },
        b'\\' if !tail.is_empty() => text.first() == tail.first() && match_bytes(&tail[1..], rest),
        _ => text.first() == Some(&head) && match_bytes(tail, rest),
    }
}

/// Whether `letter` is in the class between `[` and `]`, ranges and `!` or `^` included.
fn in_class(class: &[u8], letter: u8) -> bool {
    let (negated, class) = match class {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut found = false;
    let mut at = 0;
    while at < class.len() {
        let is_range = class.get(at + 1) == Some(&b'-') && at + 2 < class.len();
        let last = if is_range { class[at + 2] } else { class[at] };
        found |= (class[at]..=last).contains(&letter);
        at += if is_range { 3 } else { 1 };
    }
    found != negated && letter != b'/'
}

/// The alternatives of what follows a `{`, and what follows its `}`.
fn alternatives(after_brace: &[u8]) -> Option<(Vec<&[u8]>, &[u8])> {
    let (mut depth, mut start, mut choices) = (0_usize, 0, Vec::new());
    for (at, letter) in after_brace.iter().enumerate() {
        match letter {
            b'{' => depth += 1,
            b'}' if depth > 0 => depth -= 1,
            b',' if depth == 0 => {
                choices.push(&after_brace[start..at]);
                start = at + 1;
            }
            b'}' => {
                choices.push(&after_brace[start..at]);
                return Some((choices, &after_brace[at + 1..]));
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_files_section() {
        for (pattern, text) in [
            ("*.pc", "zlib.pc"),
            ("lib*.so.*", "libz.so.1"),
            ("libz.so.1{,.*}", "libz.so.1"),
            ("libz.so.1{,.*}", "libz.so.1.3"),
            ("/usr/{bin,sbin}/x?", "/usr/sbin/xz"),
            ("lib[a-z0-9]*.so", "lib9p.so"),
            ("[!_]*", "abc"),
            ("a[", "a["),
            ("{open", "{open"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("*.pc", "a/zlib.pc"), ("*.pc", "zlib.pcx"), ("[!_]*", "_abc"), ("a?", "a/")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
