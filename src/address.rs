//! Addresses as text: for people, without what may be secret in them; and what stands below one.
//!
//! A URL may have a user's password in its authority and a signature in its query. Neither is ever told: every message,
//! event, record and log takes an address through [`shown`].

use std::borrow::Cow;
use std::fmt::Write as _;

/// `url` for people: without user and password, and without its query. Other text stays as it is.
pub fn shown(url: &str) -> String {
    let shown = without_login(url);
    let (plain, fragment) = shown.split_once('#').map_or((&*shown, None), |(plain, end)| (plain, Some(end)));
    let Some((path, _)) = plain.split_once('?').filter(|_| plain.contains("://")) else { return shown };
    fragment.map_or_else(|| format!("{path}?***"), |fragment| format!("{path}?***#{fragment}"))
}

/// `url` without user and password; for data, in which the query says what is meant.
pub fn without_login(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    match rest[..end_of_authority(rest)].rfind('@') {
        Some(at) => format!("{scheme}://***@{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// `text` with every address in it as [`without_login`] gives it: for what others say, and as the last step before a
/// message leaves. A line may have been cut in the middle of an address, where it has a `…`.
pub fn in_text(text: &str) -> Cow<'_, str> {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(end) =
        [rest.find("://").map(|at| at + 3), rest.find('…').map(|at| at + '…'.len_utf8())].into_iter().flatten().min()
    {
        let (before, after) = rest.split_at(end);
        masked.push_str(before);
        let ends = |letter: char| letter.is_whitespace() || "/?#\\\"'`<>".contains(letter);
        let authority = &after[..after.find(ends).unwrap_or(after.len())];
        let is_address = before.ends_with('/');
        let login = authority.rfind('@').or_else(|| authority.find('…').filter(|_| is_address));
        rest = login.map_or(after, |at| &after[at..]);
        masked.push_str(if login.is_some() { "***" } else { "" });
    }
    if masked.is_empty() {
        return Cow::Borrowed(text);
    }
    masked.push_str(rest);
    Cow::Owned(masked)
}

/// `value`, which somebody gave for an address or for the name of an image, without user and password: it may lack the
/// `https://` that tells an address. An `@` before a digest parts no login.
pub fn given(value: &str) -> Cow<'_, str> {
    if value.contains("://") {
        return in_text(value);
    }
    let ends_login =
        |(at, _): &(usize, &str)| !["sha256:", "sha512:"].iter().any(|kind| value[at + 1..].starts_with(kind));
    match value.rmatch_indices('@').find(ends_login) {
        Some((at, _)) => Cow::Owned(format!("***{}", &value[at..])),
        None => Cow::Borrowed(value),
    }
}

/// Where the host and its port end. A password may have a `/` in it that nobody has encoded: what is no host with a port
/// goes on up to the last `@`.
fn end_of_authority(rest: &str) -> usize {
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let has_port = |authority: &str| match authority.rsplit_once(':') {
        Some((host, port)) => port.bytes().all(|byte| byte.is_ascii_digit()) || host.starts_with('['),
        None => true,
    };
    let is_whole = rest[..end].contains('@') || has_port(&rest[..end]);
    if is_whole { end } else { rest.rfind('@').map_or(end, |at| at + 1) }
}

/// The address of the file `path` below `base`, whose query stays at the end. Everything in `path` that could mean something
/// else in a URL is encoded, so that servers which take `+` for a blank are asked for the file that is meant.
pub fn below(base: &str, path: &str) -> String {
    let base = base.split('#').next().unwrap_or(base);
    let (folder, query) = base.split_once('?').map_or((base, None), |(folder, query)| (folder, Some(query)));
    let address = format!("{}/{}", folder.trim_end_matches('/'), encoded(path));
    match query {
        Some(query) => format!("{address}?{query}"),
        None => address,
    }
}

/// `path` with everything encoded but letters, digits, `-._~` (RFC 3986 §2.3) and the `/` between its parts.
fn encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        let cases = [
            ("https://mirror.test/a/b.tar", "https://mirror.test/a/b.tar"),
            ("https://user:pass@mirror.test:8443/a", "https://***@mirror.test:8443/a"),
            ("https://token@mirror.test", "https://***@mirror.test"),
            ("https://u:p@ss@mirror.test/a@1.tar", "https://***@mirror.test/a@1.tar"),
            ("https://u:pa/ss@mirror.test/a", "https://***@mirror.test/a"),
            ("https://u:pa?s#s@mirror.test/a", "https://***@mirror.test/a"),
            ("https://mirror.test/@scope/x", "https://mirror.test/@scope/x"),
            ("https://mirror.test:80/@scope/x", "https://mirror.test:80/@scope/x"),
            ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
            ("https://blob.test/a.tar?sig=SECRET&x=1", "https://blob.test/a.tar?***"),
            ("https://blob.test/a.tar?sig=SECRET#/b.tar", "https://blob.test/a.tar?***#/b.tar"),
            ("a.tar", "a.tar"),
            ("what? a@b", "what? a@b"),
        ];
        for (url, expected) in cases {
            assert_eq!(shown(url), expected);
        }
        assert_eq!(without_login("https://u:p@mirror.test/a?v=1"), "https://***@mirror.test/a?v=1");
    }

    #[test]
    fn logins_in_a_text_are_masked_and_nothing_else_is() {
        let text = "`https://u:p@a.test/x`, \"ftp://t@b.test\" and http://c.test/@d: mail e@f.test://g@h";
        let masked = "`https://***@a.test/x`, \"ftp://***@b.test\" and http://c.test/@d: mail e@f.test://***@h";
        assert_eq!(in_text(text), masked);
        assert_eq!(in_text(masked), masked);
        assert!(matches!(in_text("a@b: no address"), Cow::Borrowed(_)));
        assert_eq!(in_text("ü://ö@ä://"), "ü://***@ä://");
        assert_eq!(in_text("5 | 'https://u:pas…\n6 | …:pass@a.test/x… y"), "5 | 'https://***…\n6 | …***@a.test/x… y");
    }

    #[test]
    fn a_login_before_the_name_of_an_image_is_masked_and_a_digest_after_it_stays() {
        for (value, shown) in [
            ("me:pass@host.test:5000/a/b", "***@host.test:5000/a/b"),
            ("me:pa/ss@host.test/a:1@sha256:00", "***@host.test/a:1@sha256:00"),
            ("token@host.test/a", "***@host.test/a"),
            ("https://me:pass@host.test/a", "https://***@host.test/a"),
            ("debian:bookworm@sha256:00", "debian:bookworm@sha256:00"),
            ("host.test/a/b", "host.test/a/b"),
        ] {
            assert_eq!(given(value), shown);
        }
    }

    #[test]
    fn a_file_below_an_address_is_the_one_that_is_meant() {
        let cases = [
            ("http://m.test/core/?t=1", "a+b.tar", "http://m.test/core/a%2Bb.tar?t=1"),
            ("http://m.test/core", "zlib/00/x y^1~2", "http://m.test/core/zlib/00/x%20y%5E1~2"),
            ("file:///srv/r/", "p/ü%.rpm", "file:///srv/r/p/%C3%BC%25.rpm"),
            ("http://m.test/core#x", "a?b#c", "http://m.test/core/a%3Fb%23c"),
        ];
        for (base, path, expected) in cases {
            assert_eq!(below(base, path), expected);
        }
    }
}
