//! The package archives that a Debian-like machine installs from, as its apt configuration names them.
//!
//! In: `sources.list`, `sources.list.d/*.list` (one entry a line) and `sources.list.d/*.sources` (deb822), as
//! `sources.list(5)` describes them. Out: [`Archive`]s without duplicates, in the order of the files. An entry for
//! binary packages (`deb`) serves as well as one for sources: the archive holds both.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One suite of a package archive of Debian's layout.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Archive {
    /// The folder that holds `dists/` and `pool/`, without a `/` at its end.
    pub base_url: String,
    /// `bookworm`, `bookworm-updates`, …
    pub suite: String,
    /// `main` and the like, sorted, at least one.
    pub components: Vec<String>,
    /// Whose signature its indexes need.
    pub trust: Trust,
}

/// Whose signature the indexes of an archive need.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// That of a key in one of these files.
    Keyrings(Vec<PathBuf>),
    /// Nobody's: the user says so (`trusted=yes`).
    Anyone,
}

/// The keyrings of the Debian-like distributions on a machine whose apt configuration is in the folder `etc_apt`: what apt
/// takes where an entry names none, and where the packages `*-archive-keyring` put theirs.
pub fn keyrings(etc_apt: &Path) -> Vec<PathBuf> {
    let mut found = vec![etc_apt.join("trusted.gpg")];
    let folders = [(etc_apt.join("trusted.gpg.d"), ""), (PathBuf::from("/usr/share/keyrings"), "-archive-keyring.gpg")];
    for (folder, end) in folders {
        let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        found.extend(files.filter(|path| path.to_string_lossy().ends_with(end)));
    }
    found.retain(|path| path.is_file());
    found.sort();
    found
}

/// Components of Debian and Ubuntu; archives of other vendors that have none of them hold no upstream sources.
const COMPONENTS: [&str; 7] =
    ["main", "contrib", "non-free", "non-free-firmware", "restricted", "universe", "multiverse"];

/// The archives that the apt configuration in the folder `etc_apt` names; none where there is no such folder. Of two entries
/// for one archive the first says whose signature it needs.
///
/// Files that cannot be read, entries that are switched off and entries that are not reached by HTTP are left out.
pub fn archives(etc_apt: &Path) -> Vec<Archive> {
    let mut found = Vec::new();
    for path in files(etc_apt) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let deb822 = path.extension().is_some_and(|extension| extension == "sources");
        let entries = if deb822 { deb822_entries(&text) } else { line_entries(&text) };
        found.extend(entries.into_iter().flat_map(|entry| archives_of(entry, etc_apt)));
    }
    let mut seen = BTreeSet::new();
    found.retain(|Archive { base_url, suite, components, .. }| {
        seen.insert((base_url.clone(), suite.clone(), components.clone()))
    });
    found
}

/// An entry as written: every URI with every suite.
#[derive(Default)]
struct Entry {
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    /// Files of keys; empty for the machine's.
    signed_by: Vec<PathBuf>,
    is_trusted: bool,
}

impl Entry {
    /// Takes what the options of an entry say of signatures.
    fn option(&mut self, name: &str, value: &str) {
        match name {
            "signed-by" => {
                let words = value.split([',', ' ', '\t']).filter(|word| word.starts_with('/'));
                self.signed_by = words.map(PathBuf::from).collect();
            }
            "trusted" => self.is_trusted = ["yes", "true", "on", "1"].contains(&value),
            _ => {}
        }
    }
}

/// The list itself, then the files of the `.d` folder sorted by name, as apt reads them.
fn files(etc_apt: &Path) -> Vec<PathBuf> {
    let parts = fs::read_dir(etc_apt.join("sources.list.d")).into_iter().flatten().flatten();
    let known = |path: &PathBuf| path.extension().is_some_and(|end| end == "list" || end == "sources");
    let mut parts: Vec<PathBuf> = parts.map(|entry| entry.path()).filter(known).collect();
    parts.sort();
    parts.insert(0, etc_apt.join("sources.list"));
    parts
}

/// `deb [options] URI SUITE COMPONENT…`, one a line.
fn line_entries(text: &str) -> Vec<Entry> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines.filter_map(line_entry).collect()
}

fn line_entry(line: &str) -> Option<Entry> {
    let rest = line.trim().strip_prefix("deb-src").or_else(|| line.trim().strip_prefix("deb"))?;
    let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
    let (options, rest) = rest.strip_prefix('[').map_or(Some(("", rest)), |rest| rest.split_once(']'))?;
    let mut words = rest.split_whitespace().map(str::to_owned);
    let (uris, suites) = (vec![words.next()?], vec![words.next()?]);
    let mut entry = Entry { uris, suites, components: words.collect(), ..Entry::default() };
    for (name, value) in options.split_whitespace().filter_map(|option| option.split_once('=')) {
        entry.option(&name.to_ascii_lowercase(), value);
    }
    Some(entry)
}

/// Paragraphs of `Field: value` lines; a line that begins with white space goes on with the field above it.
fn deb822_entries(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')).chain([""]) {
        if line.trim().is_empty() {
            entries.extend(deb822_entry(&std::mem::take(&mut fields)));
        } else if line.starts_with(char::is_whitespace) {
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    entries
}

fn deb822_entry(fields: &[(String, String)]) -> Option<Entry> {
    let words = |name: &str| -> Vec<String> {
        let values = fields.iter().filter(|(field, _)| field == name);
        values.flat_map(|(_, value)| value.split_whitespace()).map(str::to_owned).collect()
    };
    let off = words("enabled").iter().any(|word| ["no", "false", "off", "0"].contains(&word.as_str()));
    let of_packages = words("types").iter().any(|word| word == "deb" || word == "deb-src");
    let (uris, suites, components) = (words("uris"), words("suites"), words("components"));
    let mut entry = Entry { uris, suites, components, ..Entry::default() };
    for (name, value) in fields {
        entry.option(name, value);
    }
    (of_packages && !off).then_some(entry)
}

fn archives_of(entry: Entry, etc_apt: &Path) -> Vec<Archive> {
    let mut components: Vec<String> =
        entry.components.into_iter().filter(|word| COMPONENTS.contains(&word.as_str())).collect();
    components.sort();
    components.dedup();
    if components.is_empty() {
        return Vec::new();
    }
    let trust = match entry.signed_by {
        _ if entry.is_trusted => Trust::Anyone,
        files if files.is_empty() => Trust::Keyrings(keyrings(etc_apt)),
        files => Trust::Keyrings(files),
    };
    let urls = entry.uris.iter().flat_map(|uri| http_urls(uri));
    // A suite that ends in `/` is a plain folder of packages without `dists/`.
    let suites: Vec<&String> = entry.suites.iter().filter(|suite| !suite.ends_with('/')).collect();
    urls.flat_map(|url| suites.iter().map(move |suite| (url.clone(), (*suite).clone())))
        .map(|(base_url, suite)| Archive { base_url, suite, components: components.clone(), trust: trust.clone() })
        .collect()
}

/// The URI itself, or the URLs of the list that a `mirror+file:` URI names.
fn http_urls(uri: &str) -> Vec<String> {
    let is_http = |url: &&str| url.starts_with("http://") || url.starts_with("https://");
    let plain = |url: &str| url.trim_end_matches('/').to_owned();
    if let Some(list) = uri.strip_prefix("mirror+file:") {
        let text = fs::read_to_string(list).unwrap_or_default();
        let first_words = text.lines().filter_map(|line| line.split_whitespace().next());
        return first_words.filter(is_http).map(plain).collect();
    }
    Some(uri).filter(is_http).map(plain).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(archives: &[Archive]) -> Vec<String> {
        archives.iter().map(|a| format!("{} {} {}", a.base_url, a.suite, a.components.join(","))).collect()
    }

    #[test]
    fn every_form_of_entry_is_read_once() {
        let etc = tempfile::tempdir().unwrap();
        let parts = etc.path().join("sources.list.d");
        fs::create_dir(&parts).unwrap();
        let mirrors = etc.path().join("mirrors");
        fs::write(&mirrors, "http://m.test/debian/\tpriority:1\nftp://x.test/d\n").unwrap();
        let one_line = "# comment\ndeb [arch=amd64 signed-by=/k] http://a.test/debian/ bookworm main contrib # end\n\
             deb-src http://a.test/debian bookworm contrib main\ndeb http://v.test/apt stable tools\n\
             deb cdrom:[x]/ bookworm main\ndeb http://f.test/flat ./\ndebug http://no.test/ x main\n";
        fs::write(etc.path().join("sources.list"), one_line).unwrap();
        let deb822 = format!(
            "Types: deb\n# note\nURIs: https://b.test/debian\n  mirror+file:{}\nSuites: sid sid-updates\nComponents: main\n\n\
             Enabled: no\nTypes: deb\nURIs: http://off.test/\nSuites: x\nComponents: main\n",
            mirrors.display()
        );
        fs::write(parts.join("b.sources"), deb822).unwrap();
        fs::write(parts.join("c.sources.disabled"), "deb http://c.test/ x main\n").unwrap();
        assert_eq!(
            shown(&archives(etc.path())),
            [
                "http://a.test/debian bookworm contrib,main",
                "https://b.test/debian sid main",
                "https://b.test/debian sid-updates main",
                "http://m.test/debian sid main",
                "http://m.test/debian sid-updates main",
            ]
        );
    }

    #[test]
    fn whose_signatures_count_is_what_the_entry_says() {
        let etc = tempfile::tempdir().unwrap();
        fs::create_dir(etc.path().join("trusted.gpg.d")).unwrap();
        let own = etc.path().join("trusted.gpg.d/own.asc");
        fs::write(&own, "").unwrap();
        let text = "deb [arch=amd64 signed-by=/k/a.gpg,/k/b.gpg] http://a.test/d s main\n\
                    deb [trusted=yes] http://b.test/d s main\ndeb http://c.test/d s main\n";
        fs::write(etc.path().join("sources.list"), text).unwrap();
        let found = archives(etc.path());
        assert_eq!(found[0].trust, Trust::Keyrings(vec!["/k/a.gpg".into(), "/k/b.gpg".into()]));
        assert_eq!(found[1].trust, Trust::Anyone);
        assert!(matches!(&found[2].trust, Trust::Keyrings(files) if files.contains(&own)), "{found:?}");
        let deb822 = "Types: deb\nURIs: http://d.test/d\nSuites: s\nComponents: main\nSigned-By: /k/d.gpg\n";
        assert_eq!(deb822_entries(deb822)[0].signed_by, [PathBuf::from("/k/d.gpg")]);
    }

    #[test]
    fn a_machine_without_apt_has_no_archives() {
        assert_eq!(archives(Path::new("/nonexistent")), []);
    }
}
