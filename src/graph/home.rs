//! Where the files of each kind of generated capability are, and how packages that are made for one kind are named.
//!
//! In: a kind, such as `python3dist`. Out: the folders that its files are in. What has such a file in another place, or is
//! named as packages of another kind are, does not provide it.

/// Where files of one kind are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Home {
    /// Names of folders of which one is above each of them; empty where they may be anywhere.
    folders: &'static [&'static str],
    /// The first words of the names of packages that are made for this kind.
    prefixes: &'static [&'static str],
}

const HOMES: [(&str, Home); 10] = [
    ("pkgconfig", home(&["pkgconfig"], &[])),
    ("cmake", home(&["cmake"], &[])),
    ("font", home(&["fonts"], &[])),
    ("mvn", home(&["maven-poms", "maven-metadata", "java"], &[])),
    ("perl", home(&["perl", "perl5", "vendor_perl", "site_perl"], &["perl"])),
    ("python", home(&["site-packages", "dist-packages"], &["python", "python2", "python3"])),
    ("rubygem", home(&["gems"], &["rubygem", "ruby"])),
    ("npm", home(&["node_modules"], &["nodejs", "npm"])),
    ("crate", home(&["registry"], &["rust", "cargo"])),
    ("tex", home(&["texmf", "texmf-dist", "texlive"], &["texlive", "tex"])),
];

const fn home(folders: &'static [&'static str], prefixes: &'static [&'static str]) -> Home {
    Home { folders, prefixes }
}

impl Home {
    /// Anywhere, in packages of any name.
    pub(super) const ANY: Self = home(&[], &[]);

    /// The home of a kind, as `python3.12dist`.
    pub(super) fn of(kind: &str) -> Self {
        let kind = if kind.starts_with("python") && kind.ends_with("dist") { "python" } else { kind };
        HOMES.iter().find(|(name, _)| *name == kind).map_or(Self::ANY, |(_, home)| *home)
    }

    /// Whether `path` is below one of its folders.
    pub(super) fn holds(self, path: &str) -> bool {
        self.folders.is_empty() || path.split('/').any(|part| self.folders.contains(&part))
    }

    /// Whether a package of this name is made for another kind.
    pub(super) fn is_foreign(self, package: &str) -> bool {
        let Some((first, _)) = package.split_once('-') else { return false };
        let is_of = |home: Self| home.prefixes.contains(&first);
        !is_of(self) && HOMES.iter().any(|(_, other)| is_of(*other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_packages_of_a_kind_are_told_from_others() {
        let python = Home::of("python3.12dist");
        assert!(python.holds("/usr/lib/python3.12/site-packages/*") && !python.holds("/usr/bin/*"));
        assert!(python.is_foreign("perl-My-Mod") && python.is_foreign("rubygem-my-mod"));
        assert!(!python.is_foreign("python3-my-mod") && !python.is_foreign("my-mod") && !python.is_foreign("perlish"));
        assert!(Home::of("font").holds("/usr/share/fonts/x/*") && Home::of("font").is_foreign("perl-Font"));
        assert!(Home::of("config").holds("/usr/bin/*"), "anywhere");
    }
}
