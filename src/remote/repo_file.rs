//! `.repo` files as dnf has them. Pure.
//!
//! Keys that choose how dnf downloads are passed over; those that choose which packages are seen and are not understood
//! are refused, so that no package is taken that the file leaves out.

use std::path::PathBuf;

use crate::address::shown;
use crate::text_file::without_mark;

/// A section of a `.repo` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoSection {
    /// Its name in brackets.
    pub id: String,
    /// The line that it begins on.
    pub line: usize,
    /// Addresses with the same content, in the order in which they are tried; never empty when it is enabled.
    pub urls: Vec<String>,
    /// False when the file turns it off.
    pub enabled: bool,
    /// Whether packages must be signed.
    pub gpgcheck: bool,
    /// Whether `repomd.xml` must be signed.
    pub repo_gpgcheck: bool,
    /// Files of keys. Addresses of the network are left out: see `foreign_keys`.
    pub keys: Vec<PathBuf>,
    /// Keys that the file wants to have from elsewhere, which are never fetched; as they may be shown.
    pub foreign_keys: Vec<String>,
    /// Lower is preferred; 99 when the file says nothing.
    pub priority: i32,
    /// Client certificate.
    pub client_certificate: Option<PathBuf>,
    /// Its private key.
    pub client_key: Option<PathBuf>,
    /// The certificates that may sign the server's.
    pub ca: Option<PathBuf>,
}

/// What the variables of a `.repo` file stand for.
#[derive(Clone, Copy, Debug)]
pub struct Variables<'a> {
    /// `$basearch` and `$arch`.
    pub arch: &'a str,
    /// `$releasever`; None when nobody says.
    pub release: Option<&'a str>,
}

/// What is wrong with a `.repo` file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {wrong}")]
pub struct RepoFileError {
    /// Counts from 1.
    pub line: usize,
    /// What is wrong there.
    pub wrong: String,
}

/// dnf's priority of a repository that gives none.
pub(super) const PRIORITY: i32 = 99;

/// Keys that choose among packages; Drydock does not follow them.
const CHOOSING: [&str; 3] = ["exclude", "excludepkgs", "includepkgs"];

/// Reads a `.repo` file: its sections in their order, without `[main]`.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub fn parse(text: &str, variables: Variables<'_>) -> Result<Vec<RepoSection>, RepoFileError> {
    let mut sections: Vec<RepoSection> = Vec::new();
    let mut in_main = false;
    for Entry { line, what } in entries(text)? {
        match what {
            What::Section(name) if name == "main" => in_main = true,
            What::Section(name) => {
                in_main = false;
                if sections.iter().any(|section| section.id == name) {
                    return Err(RepoFileError { line, wrong: format!("two sections are named `{name}`") });
                }
                sections.push(RepoSection::new(name, line));
            }
            What::Value { .. } if in_main => {}
            What::Value { key, value } => match sections.last_mut() {
                None => return Err(RepoFileError { line, wrong: format!("`{key}` stands before any `[section]`") }),
                Some(section) => {
                    let wrong = |wrong| RepoFileError { line, wrong };
                    section.set(&key, &value, variables).map_err(wrong)?;
                }
            },
        }
    }
    match sections.iter().find(|section| section.enabled && section.urls.is_empty()) {
        Some(RepoSection { id, line, .. }) => Err(RepoFileError {
            line: *line,
            wrong: format!("`[{id}]` needs `baseurl`; lists of mirrors are not read"),
        }),
        None => Ok(sections),
    }
}

struct Entry {
    line: usize,
    what: What,
}

enum What {
    Section(String),
    Value { key: String, value: String },
}

/// Sections and values; a line that begins with white space goes on with the value before.
fn entries(text: &str) -> Result<Vec<Entry>, RepoFileError> {
    let mut found: Vec<Entry> = Vec::new();
    for (number, raw) in without_mark(text).lines().enumerate() {
        let (line, trimmed) = (number + 1, raw.trim());
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if raw.starts_with([' ', '\t'])
            && let Some(Entry { what: What::Value { value, .. }, .. }) = found.last_mut()
        {
            value.push('\n');
            value.push_str(trimmed);
            continue;
        }
        let what = if let Some(name) = trimmed.strip_prefix('[') {
            let name = name.strip_suffix(']').map(str::trim).filter(|name| !name.is_empty());
            let wrong = || RepoFileError { line, wrong: format!("`{trimmed}` is not a `[section]`") };
            What::Section(name.ok_or_else(wrong)?.to_owned())
        } else {
            let wrong = || RepoFileError {
                line,
                wrong: format!("`{}` is neither `key=value` nor `[section]`", shown(trimmed)),
            };
            let (key, value) = trimmed.split_once('=').ok_or_else(wrong)?;
            What::Value { key: key.trim().to_owned(), value: value.trim().to_owned() }
        };
        found.push(Entry { line, what });
    }
    Ok(found)
}

impl RepoSection {
    pub(super) fn new(id: String, line: usize) -> Self {
        Self {
            id,
            line,
            urls: Vec::new(),
            enabled: true,
            gpgcheck: false,
            repo_gpgcheck: false,
            keys: Vec::new(),
            foreign_keys: Vec::new(),
            priority: PRIORITY,
            client_certificate: None,
            client_key: None,
            ca: None,
        }
    }

    fn set(&mut self, key: &str, value: &str, variables: Variables<'_>) -> Result<(), String> {
        const READ: [&str; 5] = ["baseurl", "gpgkey", "sslclientcert", "sslclientkey", "sslcacert"];
        let value = if READ.contains(&key) { &expanded(value, variables)? } else { value };
        match key {
            "baseurl" => self.urls = words(value).map(str::to_owned).collect(),
            "enabled" => self.enabled = truth(key, value)?,
            "gpgcheck" | "pkg_gpgcheck" => self.gpgcheck = truth(key, value)?,
            "repo_gpgcheck" => self.repo_gpgcheck = truth(key, value)?,
            "gpgkey" => {
                for word in words(value) {
                    match word.strip_prefix("file://") {
                        Some(path) => self.keys.push(path.into()),
                        None if word.contains("://") => self.foreign_keys.push(shown(word)),
                        None => self.keys.push(word.into()),
                    }
                }
            }
            "priority" => {
                self.priority = value.parse().map_err(|_| format!("`priority` is `{value}`; a number is expected"))?;
            }
            "sslverify" if !truth(key, value)? => {
                return Err("`sslverify` cannot be turned off; name the server's CA by `sslcacert`".to_owned());
            }
            "sslclientcert" => self.client_certificate = Some(value.into()),
            "sslclientkey" => self.client_key = Some(value.into()),
            "sslcacert" => self.ca = Some(value.into()),
            key if CHOOSING.contains(&key) => {
                return Err(format!("`{key}` is not understood: packages cannot be left out of a repository"));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Values of a list, parted by white space or commas.
fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty())
}

fn truth(key: &str, value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Ok(true),
        "0" | "no" | "false" | "off" => Ok(false),
        _ => Err(format!("`{key}` is `{value}`; 0 or 1 is expected")),
    }
}

/// `value` with `$name` and `${name}` replaced.
pub(super) fn expanded(value: &str, variables: Variables<'_>) -> Result<String, String> {
    let (mut text, mut rest) = (String::new(), value);
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        let (name, after) = if let Some(inner) = after.strip_prefix('{') {
            inner.split_once('}').ok_or_else(|| format!("a `}}` is missing in `{value}`"))?
        } else {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            after.split_at(end)
        };
        text.push_str(match name {
            "basearch" | "arch" => variables.arch,
            "releasever" => variables.release.ok_or_else(|| {
                "`$releasever` is not known; say it by `packages.release-version` in the pipeline file".to_owned()
            })?,
            other => return Err(format!("`${other}` is not known; `$basearch` and `$releasever` are")),
        });
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VARIABLES: Variables<'_> = Variables { arch: "x86_64", release: Some("3.0") };

    fn told(text: &str) -> String {
        parse(text, VARIABLES).unwrap_err().to_string()
    }

    #[test]
    fn a_file_of_dnf_is_read() {
        let text = "# comment\n[main]\nkeepcache=1\n[base]\nname=Base $releasever\nbaseurl=https://a.test/$releasever/${basearch}\n  \
                    https://b.test/x, https://c.test\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=yes\nskip_if_unavailable=True\n\
                    gpgkey=file:///keys/a /keys/b\n https://k.test/c\npriority=10\nsslclientcert=/c.pem\nsslclientkey=/k.pem\n\
                    sslcacert=/ca.pem\n\n[off]\nenabled=0\n";
        let sections = parse(text, VARIABLES).unwrap();
        let base = &sections[0];
        assert_eq!(base.urls, ["https://a.test/3.0/x86_64", "https://b.test/x", "https://c.test"]);
        assert!(base.gpgcheck && base.repo_gpgcheck && base.enabled && !sections[1].enabled);
        assert_eq!(base.keys, [PathBuf::from("/keys/a"), PathBuf::from("/keys/b")]);
        assert_eq!(base.foreign_keys, ["https://k.test/c"]);
        assert_eq!((base.priority, sections[1].priority, base.line), (10, PRIORITY, 4));
        assert_eq!(base.ca.as_deref(), Some("/ca.pem".as_ref()));
    }

    #[test]
    fn a_file_of_another_system_is_read_the_same() {
        let text = "[base]\nbaseurl=https://a.test/x\n  https://b.test/x\ngpgcheck=1\n";
        let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        assert_eq!(parse(&windows, VARIABLES).unwrap(), parse(text, VARIABLES).unwrap());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        assert_eq!(told("baseurl=x\n"), "line 1: `baseurl` stands before any `[section]`");
        assert_eq!(told("[a]\nhello\n"), "line 2: `hello` is neither `key=value` nor `[section]`");
        assert_eq!(told("[a\n"), "line 1: `[a` is not a `[section]`");
        assert_eq!(told("\n[a]\nmetalink=x\n"), "line 2: `[a]` needs `baseurl`; lists of mirrors are not read");
        assert_eq!(told("[a]\ngpgcheck=maybe\n"), "line 2: `gpgcheck` is `maybe`; 0 or 1 is expected");
        assert_eq!(told("[a]\npriority=high\n"), "line 2: `priority` is `high`; a number is expected");
        assert!(told("[a]\nexcludepkgs=x*\n").starts_with("line 2: `excludepkgs` is not understood"));
        assert!(told("[a]\nsslverify=0\n").contains("cannot be turned off"));
        assert!(told("[a]\nbaseurl=http://x/$name\n").contains("`$name` is not known"));
        assert_eq!(told("[a]\nbaseurl=x\n[a]\nbaseurl=x\n"), "line 3: two sections are named `a`");
        let variables = Variables { release: None, ..VARIABLES };
        let error = parse("[a]\nbaseurl=http://x/$releasever\n", variables).unwrap_err().to_string();
        assert!(
            error.starts_with("line 2: `$releasever` is not known; say it by `packages.release-version`"),
            "{error}"
        );
        assert!(parse("[a]\nbaseurl=http://x/${arch\n", variables).is_err());
    }
}
