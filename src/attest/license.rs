//! License expressions of SPDX, as newer specs have them; older ones have names of RPM's own (`GPLv2+ and BSD`).
//!
//! Formats: <https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/>, <https://spdx.org/licenses/>.

/// The licenses and exceptions of SPDX's list that distributions have; a validator refuses names outside that list.
const KNOWN: &[&str] = &[
    "0BSD",
    "AFL-2.1",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-1.1",
    "Apache-2.0",
    "Artistic-1.0-Perl",
    "Artistic-2.0",
    "Autoconf-exception-2.0",
    "Autoconf-exception-3.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-4-Clause",
    "BSD-4-Clause-UC",
    "BSD-Source-Code",
    "BSL-1.0",
    "Bison-exception-2.2",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC0-1.0",
    "CDDL-1.0",
    "Classpath-exception-2.0",
    "EPL-1.0",
    "EPL-2.0",
    "FSFAP",
    "FSFUL",
    "FSFULLR",
    "FTL",
    "GCC-exception-2.0",
    "GCC-exception-3.1",
    "GFDL-1.1-or-later",
    "GFDL-1.2-or-later",
    "GFDL-1.3-only",
    "GFDL-1.3-or-later",
    "GPL-1.0-or-later",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "HPND",
    "ICU",
    "IJG",
    "ISC",
    "LGPL-2.0-only",
    "LGPL-2.0-or-later",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "LLVM-exception",
    "Libpng",
    "Libtool-exception",
    "Linux-syscall-note",
    "MIT",
    "MIT-0",
    "MIT-CMU",
    "MPL-1.1",
    "MPL-2.0",
    "NCSA",
    "OFL-1.1",
    "OLDAP-2.8",
    "OpenSSL",
    "PSF-2.0",
    "Python-2.0",
    "Python-2.0.1",
    "Ruby",
    "SISSL",
    "Sleepycat",
    "TCL",
    "UPL-1.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Vim",
    "W3C",
    "WTFPL",
    "X11",
    "ZPL-2.1",
    "Zlib",
    "bzip2-1.0.6",
    "cryptsetup-OpenSSL-exception",
    "curl",
    "libpng-2.0",
    "libtiff",
];

/// True for an expression whose names are all known.
pub(super) fn is_expression(text: &str) -> bool {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let (mut depth, mut wants_name) = (0_usize, true);
    for word in spaced.split_whitespace() {
        match word {
            "(" if wants_name => depth += 1,
            ")" if !wants_name && depth > 0 => depth -= 1,
            "AND" | "OR" | "WITH" if !wants_name => wants_name = true,
            name if wants_name && KNOWN.contains(&name) => wants_name = false,
            _ => return false,
        }
    }
    !wants_name && depth == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rpms_own_are_no_expressions() {
        for text in ["MIT", "(GPL-2.0-or-later WITH GCC-exception-3.1) AND MIT", "BSD-3-Clause OR (ISC AND Zlib)"] {
            assert!(is_expression(text), "{text}");
        }
        for text in ["", "GPLv2+", "MIT and BSD", "MIT AND", "(MIT", "MIT)", "MIT ISC", "AND MIT", "Public Domain"] {
            assert!(!is_expression(text), "{text}");
        }
    }
}
