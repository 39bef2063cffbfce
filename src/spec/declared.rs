//! Which RPMs a spec makes, as far as it says. Pure.

use super::SourcePackage;
use crate::package::Nevra;

/// How the names of packages end that rpm makes by itself for debuggers (`%debug_package`, and `files.c` for each package
/// when `_debuginfo_subpackages` is defined).
const SYMBOLS: &str = "-debuginfo";
const SOURCES: &str = "-debugsource";
/// Where all files of such packages are.
const FOLDERS: [&str; 2] = ["/usr/lib/debug", "/usr/src/debug"];

impl SourcePackage {
    /// What it says it makes, the source package last.
    pub fn declared(&self) -> impl Iterator<Item = &Nevra> {
        self.binaries.iter().map(|binary| &binary.nevra).chain([&self.nevra])
    }

    /// True for what it says it makes, and for what rpm makes of that for debuggers.
    pub fn makes(&self, nevra: &Nevra) -> bool {
        self.declared().any(|declared| declared == nevra) || self.makes_for_debuggers(nevra)
    }

    /// True for a package with symbols or sources that rpm makes by itself: `NAME-debugsource` and `NAME-debuginfo` with
    /// the version of the spec, and `PACKAGE-debuginfo` with that of each package that is for one architecture.
    pub fn makes_for_debuggers(&self, nevra: &Nevra) -> bool {
        let main = Nevra { arch: self.build_arch.clone(), ..self.nevra.clone() };
        let is_of = |made_of: &Nevra, end: &str| {
            nevra.name.strip_suffix(end) == Some(made_of.name.as_str())
                && (&nevra.evr, &nevra.arch) == (&made_of.evr, &made_of.arch)
        };
        let mut binaries = self.binaries.iter().map(|binary| &binary.nevra);
        nevra.arch != "noarch"
            && (is_of(&main, SOURCES) || is_of(&main, SYMBOLS) || binaries.any(|binary| is_of(binary, SYMBOLS)))
    }
}

/// True for a file or folder that a package for debuggers may have.
pub fn is_path_for_debuggers(path: &str) -> bool {
    FOLDERS.iter().any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::super::{BinaryPackage, zlib};
    use super::*;
    use crate::package::Evr;

    fn nevra(text: &str) -> Nevra {
        let (name, rest) = text.split_once(' ').unwrap();
        let (evr, arch) = rest.split_once(' ').unwrap();
        Nevra { name: name.into(), evr: Evr::parse(evr), arch: arch.into() }
    }

    #[test]
    fn a_spec_makes_what_it_says_and_what_debuggers_read() {
        let binaries = ["zlib 1.3-1 x86_64", "libz 7:1-1 x86_64", "zlib-doc 1.3-1 noarch"];
        let binary = |text: &str| BinaryPackage::new(nevra(text));
        let zlib = SourcePackage { binaries: binaries.map(binary).into(), ..zlib() };
        for made in [
            "zlib 1.3-1 src",
            "zlib 1.3-1 x86_64",
            "libz 7:1-1 x86_64",
            "zlib-debuginfo 1.3-1 x86_64",
            "zlib-debugsource 1.3-1 x86_64",
            "libz-debuginfo 7:1-1 x86_64",
        ] {
            assert!(zlib.makes(&nevra(made)), "{made}");
        }
        for other in [
            "zlib 1.4-1 x86_64",
            "zlib 1:1.3-1 x86_64",
            "zlib 1.3-1 noarch",
            "zlib 1.3-1 ..",
            "zlib-devel 1.3-1 x86_64",
            "zlib-debuginfo 1.3-1 noarch",
            "zlib-debuginfo 9-1 x86_64",
            "libz-debuginfo 1.3-1 x86_64",
            "libz-debugsource 7:1-1 x86_64",
            "zlib-doc-debuginfo 1.3-1 x86_64",
            "bash-debuginfo 1.3-1 x86_64",
        ] {
            assert!(!zlib.makes(&nevra(other)), "{other}");
        }
        let noarch = SourcePackage { build_arch: "noarch".into(), ..zlib };
        assert!(!noarch.makes(&nevra("zlib-debugsource 1.3-1 x86_64")));
    }

    #[test]
    fn files_for_debuggers_have_two_folders() {
        assert!(
            is_path_for_debuggers("/usr/lib/debug/.build-id/0a/b.debug") && is_path_for_debuggers("/usr/src/debug")
        );
        assert!(!is_path_for_debuggers("/usr/lib/debugger") && !is_path_for_debuggers("/etc/passwd"));
    }
}
