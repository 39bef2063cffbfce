//! Whether a spec reads files of other folders while it is parsed.
//!
//! The container shows it all folders that are searched, so that links between them can be followed. What it reads of its
//! own folder is in its key; of one that may read others, everything that is shown counts. Its text tells: it reads files
//! at all, and a way out of its folder stands in what is expanded or in a file beside it that it may run or read.
//!
//! Known holes: what macros of the image read, and a way out that is put together of pieces.

use super::parsed::section_name;

/// What reads files while a spec is parsed.
const READS: [&str; 9] = ["%(", "%include", "%load", "%{load", "%{lua", "io.open", "dofile", "loadfile", "%{include"];

/// Words by which a spec names the files beside it.
const BESIDE: [&str; 3] = ["SOURCE", "_sourcedir", "PATCH"];

/// True when `text` may read files while it is parsed.
pub(super) fn reads(text: &str) -> bool {
    READS.iter().any(|word| text.contains(word))
}

/// True when a path in `text` leads out of a folder.
pub(super) fn leads_out(text: &str) -> bool {
    text.contains("/specs") || text.contains("_specdir") || text.match_indices("..").any(|(at, _)| is_parent(text, at))
}

/// True when what `text`, a spec, says itself may read files of other folders, or it may read one of the files beside it
/// that lead out, of which these are the names.
pub(super) fn reads_far(text: &str, leading: &[String]) -> bool {
    if !reads(text) {
        return false;
    }
    let expanded = expanded(text);
    let names = || BESIDE.iter().copied().chain(leading.iter().map(String::as_str));
    leads_out(&expanded) || !leading.is_empty() && names().any(|name| expanded.contains(name))
}

/// Whether the `..` at `at` is a part of a path: not of an ellipsis, a range or a number.
fn is_parent(text: &str, at: usize) -> bool {
    let before = text[..at].chars().next_back();
    let after = text[at + 2..].chars().next();
    let ends = |c: char| "/\"')}`;|&".contains(c) || c.is_whitespace();
    before != Some('.') && !before.is_some_and(char::is_alphanumeric) && after.is_none_or(ends)
}

/// The lines of a spec that decide what it says: those before its sections, those of packages, definitions, and all that
/// macros run or read, with the lines that go on with them.
fn expanded(text: &str) -> String {
    let (mut taken, mut in_section, mut goes_on, mut open) = (String::new(), false, false, 0);
    for line in text.lines() {
        if let Some(name) = section_name(line) {
            in_section = name != "package";
        }
        let bare = line.trim_start();
        let defines = bare.starts_with("%global") || bare.starts_with("%define");
        if !in_section || goes_on || open > 0 || defines || reads(line) {
            taken.push_str(line);
            taken.push('\n');
        }
        goes_on = (goes_on || defines || !in_section) && line.ends_with('\\');
        open = still_open(line, open);
    }
    taken
}

/// How many parentheses and braces are open behind `line`, of those that a macro with a program in it has opened; before
/// it, `open` are.
fn still_open(line: &str, open: usize) -> usize {
    let start =
        if open > 0 { Some(0) } else { ["%(", "%{lua", "%{expand"].iter().filter_map(|it| line.find(it)).min() };
    let rest = start.map_or("", |start| &line[start..]);
    rest.chars().fold(open, |open, c| match c {
        '(' | '{' => open + 1,
        ')' | '}' => open.saturating_sub(1),
        _ => open,
    })
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
            "%{lua: local f = io.open('../common/x')}",
            "%(cat /specs/*/x/version)",
            "%global common %{_sourcedir}/../common\nBuildRequires: %(cat %{common}/deps || echo a)",
            "BuildRequires: %( \\\n  cat ../common/deps || echo a)",
            "%description\nx\n%build\n%( \\\ncat ../a)",
            "%build\n%define there ..\n%include %{there}/x",
            "%{lua:\n  local up = '..'\n  print(up)\n}",
        ] {
            assert!(reads_far(far, &[]), "{far}");
        }
        for near in [
            "cd ../build\n%make_build",
            "%global x %(echo 1 | cut -d. -f1)\n%prep\n%setup -q -n x\n../configure",
            "%include %{SOURCE1}",
            "%(echo 1 | cut -d. -f1)",
            "# and so on ... or 1..9\n%(date)",
            "Summary: One.. two\nBuildRequires: %(echo a..b)",
        ] {
            assert!(!reads_far(near, &[]), "{near}");
        }
    }

    #[test]
    fn a_file_beside_it_that_leads_out_counts_where_it_may_be_read() {
        let leading = ["find.sh".to_owned()];
        for far in ["%(sh %{SOURCE1})", "%(sh %{_sourcedir}/find.sh)", "%global s find.sh\n%(sh $PWD/%{s})"] {
            assert!(reads_far(far, &leading) && !reads_far(far, &[]), "{far}");
        }
        assert!(!reads_far("%(date)\n%build\nsh find.sh", &leading));
        assert!(!reads_far("Source0: find.sh", &leading), "it reads nothing");
    }
}
