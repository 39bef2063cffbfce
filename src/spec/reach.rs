//! Whether a spec reads files of other folders while it is parsed.
//!
//! The container shows it all folders that are searched, so that links between them can be followed. What it reads of its
//! own folder is in its key; of one that leads its macros out of it, everything that is shown counts. Known holes: what
//! macros of the image read, and a path that is put together on several lines.

/// What reads files while a spec is parsed.
const READS: [&str; 9] = ["%(", "%include", "%load", "%{load", "%{lua", "io.open", "dofile", "loadfile", "%{include"];

/// Ways out of the folder of a spec.
const WAYS_OUT: [&str; 3] = ["..", "/specs", "_specdir"];

/// True when a line of `text` may read a file of another folder.
pub(super) fn reads_far(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let has = |line: &str, words: &[&str]| words.iter().any(|word| line.contains(word));
    text.lines().any(|line| has(line, &READS) && has(line, &WAYS_OUT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_out_of_the_folder_is_seen() {
        for far in [
            "BuildRequires: %(cat %{_sourcedir}/../common/deps 2>/dev/null || echo a)",
            "%include ../common/x.inc",
            "%{load:%{_sourcedir}/../m}",
            "local f = io.open('../common/x')",
            "%(cat /specs/*/x/version)",
        ] {
            assert!(reads_far(far.as_bytes()), "{far}");
        }
        for near in [
            "cd ../build\n%make_build",
            "%setup -q -n x\n../configure",
            "%include %{SOURCE1}",
            "%(echo 1 | cut -d. -f1)",
        ] {
            assert!(!reads_far(near.as_bytes()), "{near}");
        }
    }
}
