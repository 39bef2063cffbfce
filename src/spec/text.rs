//! What the text of a spec tells before rpm reads it: what rpm would tell in words that name no cause, or not at all. Pure.

use super::parsed;

/// Sections of which nothing is read.
const SCRIPTS: [&str; 4] = ["generate_buildrequires", "conf", "build", "install"];

/// The text at a glance.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Glance {
    /// What makes it no spec that could be built, with its line and what to do; `path` is the file's.
    pub(super) fault: Option<String>,
    /// True when the section after `%prep` counts for what is read, and the rpm of 2022 would lose its first line.
    pub(super) loses_section: bool,
}

/// Looks at `bytes`, the content of the file that messages call `path`.
pub(super) fn glance(bytes: &[u8], path: &str) -> Glance {
    let fault = encoding(bytes, path).or_else(|| line_end(bytes, path));
    Glance { fault, loses_section: loses_section(&String::from_utf8_lossy(bytes)) }
}

fn encoding(bytes: &[u8], path: &str) -> Option<String> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        let what = "error: line 1: the file begins with a byte order mark, which rpm takes for a part of the first tag";
        return Some(format!("{what}\nremove it: sed -i '1s/^\\xEF\\xBB\\xBF//' {path}"));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let what = "error: line 1: the file is UTF-16, and rpm reads UTF-8";
        return Some(format!("{what}\nconvert it: iconv -f UTF-16 -t UTF-8 {path}"));
    }
    let zero = bytes.iter().position(|byte| *byte == 0)?;
    let line = bytes[..zero].split(|byte| *byte == b'\n').count();
    Some(format!("error: line {line}: there is a byte 0, where rpm's line ends\nremove it: sed -i 's/\\x00//g' {path}"))
}

/// CR LF, where it is not in mere text: the shell takes the CR for a part of its command.
fn line_end(bytes: &[u8], path: &str) -> Option<String> {
    let mut section = "package";
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let text = String::from_utf8_lossy(line);
        section = parsed::section_name(&text).unwrap_or(section);
        if line.ends_with(b"\r") && !["description", "changelog"].contains(&section) {
            let what = "the line ends with CR LF, and the shell would take the CR for a part of its command";
            return Some(format!("error: line {}: {what}\nconvert the file: sed -i 's/\\r$//' {path}", at + 1));
        }
    }
    None
}

/// True when after `%prep` comes a section that is read for more than its script, or one on a condition. A `%clean`
/// stands in for it; a spec that has one already is left as it is.
fn loses_section(text: &str) -> bool {
    let mut after = text.lines().skip_while(|line| parsed::section_name(line) != Some("prep")).skip(1);
    let mut conditions = 0_usize;
    let next = after.find_map(|line| {
        let line = line.trim_start();
        conditions += usize::from(line.starts_with("%if"));
        conditions = conditions.saturating_sub(usize::from(line.starts_with("%endif")));
        parsed::section_name(line)
    });
    let is_script = |name| SCRIPTS.contains(&name);
    let has_clean = || text.lines().any(|line| parsed::section_name(line) == Some("clean"));
    next.is_some_and(|name| conditions > 0 || !is_script(name)) && !has_clean()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bytes: &[u8]) -> String {
        glance(bytes, "/s/a.spec").fault.unwrap_or_default()
    }

    #[test]
    fn bytes_that_rpm_misreads_are_told_with_their_line_and_remedy() {
        let mark = fault(b"\xef\xbb\xbfName: a\n");
        assert!(mark.starts_with("error: line 1: the file begins with a byte order mark"), "{mark}");
        assert!(mark.ends_with("sed -i '1s/^\\xEF\\xBB\\xBF//' /s/a.spec"), "{mark}");
        assert!(fault(b"\xff\xfeN\0a\0").contains("UTF-16"));
        assert!(fault(b"Name: a\nVersion: \x001\n").starts_with("error: line 2: there is a byte 0"));
        assert_eq!(fault("Name: ä\n%description\nx\r\n%changelog\n- y\r\n".as_bytes()), "");
    }

    #[test]
    fn a_carriage_return_is_a_fault_where_the_shell_would_see_it() {
        let told = fault(b"Name: a\n%description\nx\r\n%install\nmkdir a\r\n");
        assert!(told.starts_with("error: line 5: the line ends with CR LF"), "{told}");
        assert!(told.ends_with("convert the file: sed -i 's/\\r$//' /s/a.spec"), "{told}");
        assert!(fault(b"Name: a\r\n").starts_with("error: line 1: "));
    }

    #[test]
    fn a_section_that_rpm_would_lose_is_seen() {
        let loses = |text: &str| glance(text.as_bytes(), "").loses_section;
        for losing in [
            "Name: a\n%prep\n%files\n",
            "%Prep -x\ntrue\n\n%check\n",
            "%prep\n%if 0\ntrue\n%endif\n%description -n b\n",
            "%prep\n%if 0\n%build\n%endif\n%files\n",
        ] {
            assert!(loses(losing), "{losing}");
        }
        for plain in [
            "%prep\n%setup -q\n%if 1\ntrue\n%endif\n%build\n",
            "%build\n%files\n",
            "%prep\n",
            "%prepare\n%files\n",
            "%prep\n%files\n%clean\n",
        ] {
            assert!(!loses(plain), "{plain}");
        }
    }
}
