//! Reads what `rpmspec -P` writes: a spec with its macros and conditions expanded. Pure.
//!
//! The header that `rpmspec` tells has neither URLs nor the files of packages, so these come from the expanded text.
//! What is read is a hint, except whether there is a `%check`.

use super::FileEntry;

/// What an expanded spec says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    /// Values of `Source` and `Patch` tags and lines of `%sourcelist` and `%patchlist`, in their order.
    pub(super) sources: Vec<String>,
    /// True when there is a `%check` section.
    pub(super) has_check: bool,
    /// The entries of all `%files` sections, in their order.
    pub(super) files: Vec<FileEntry>,
}

/// The most paths that one with braces stands for.
const MOST_ALTERNATIVES: usize = 256;

/// The most that the paths of a spec may have, all together; those after them are not known.
const MOST_BYTES: usize = 16 << 20;

/// The longest path that Linux opens.
const MOST_PATH_BYTES: usize = 4096;

/// Section names that begin something else than what is above them.
pub(super) const SECTIONS: [&str; 34] = [
    "package",
    "description",
    "prep",
    "generate_buildrequires",
    "conf",
    "build",
    "install",
    "check",
    "clean",
    "pre",
    "post",
    "preun",
    "postun",
    "pretrans",
    "posttrans",
    "preuntrans",
    "postuntrans",
    "verify",
    "verifyscript",
    "trigger",
    "triggerin",
    "triggerun",
    "triggerprein",
    "triggerpostun",
    "filetriggerin",
    "filetriggerun",
    "filetriggerpostun",
    "transfiletriggerin",
    "transfiletriggerun",
    "transfiletriggerpostun",
    "files",
    "changelog",
    "sourcelist",
    "patchlist",
];

/// Reads an expanded spec whose package is called `name`.
pub(super) fn read(text: &str, name: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let (mut section, mut package, mut bytes) = ("package", String::new(), 0);
    for line in text.lines() {
        if let Some(name_of_section) = section_name(line) {
            section = name_of_section;
            if section == "files" {
                package = package_of(line, name);
            }
            parsed.has_check |= section == "check";
            continue;
        }
        match section {
            "package" => parsed.sources.extend(tag_value(line)),
            "sourcelist" | "patchlist" => parsed.sources.extend(list_entry(line)),
            "files" if bytes < MOST_BYTES => {
                let entries = file_entries(line, &package);
                bytes += entries.iter().map(|entry| entry.path.len()).sum::<usize>();
                parsed.files.extend(entries);
            }
            _ => {}
        }
    }
    parsed
}

/// The file name that RPM makes of a `Source` or `Patch` value: what follows the last `/`, and of a URL's last part what
/// follows the last `=` (`parsePreamble.c`). `#/name` at the end of a URL gives `name` by the same rule.
pub(super) fn file_name(value: &str) -> &str {
    let last = value.rsplit('/').next().unwrap_or(value);
    if value.contains("://") { last.rsplit('=').next().unwrap_or(last) } else { last }
}

/// The value, if it is a URL.
pub(super) fn url(value: &str) -> Option<String> {
    value.contains("://").then(|| value.to_owned())
}

/// The section that a line begins.
pub(super) fn section_name(line: &str) -> Option<&'static str> {
    let word = line.strip_prefix('%')?.split_whitespace().next()?;
    SECTIONS.into_iter().find(|name| word.eq_ignore_ascii_case(name))
}

/// The package whose files a line `%files [-n] PACKAGE [-f LIST]` of the spec `name` begins to list.
fn package_of(line: &str, name: &str) -> String {
    let mut words = line.split_whitespace().skip(1);
    while let Some(word) = words.next() {
        match (word.get(..2), word.get(2..)) {
            (Some("-n"), Some("")) => return words.next().unwrap_or(name).to_owned(),
            (Some("-n"), Some(package)) => return package.to_owned(),
            (Some("-f"), Some("")) => drop(words.next()),
            (Some("-f"), _) => {}
            _ => return format!("{name}-{word}"),
        }
    }
    name.to_owned()
}

/// The value of `SourceN: value` or `PatchN: value`.
fn tag_value(line: &str) -> Option<String> {
    let (tag, value) = line.split_once(':')?;
    let tag = tag.trim().to_ascii_lowercase();
    let number = tag.strip_prefix("source").or_else(|| tag.strip_prefix("patch"))?;
    number.bytes().all(|digit| digit.is_ascii_digit()).then(|| value.trim().to_owned())
}

fn list_entry(line: &str) -> Option<String> {
    let line = line.trim();
    (!line.is_empty() && !line.starts_with('#')).then(|| line.to_owned())
}

/// The entries of one line of `%files` of `package`; none for what is excluded, made by the build, or not a path.
fn file_entries(line: &str, package: &str) -> Vec<FileEntry> {
    let (mut rest, mut is_bare) = (line.trim(), false);
    while let Some(directive) = rest.strip_prefix('%') {
        if directive.starts_with("exclude") || directive.starts_with("defattr") {
            return Vec::new();
        }
        let end = directive.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(directive.len());
        is_bare |= &directive[..end] == "dir";
        rest = directive[end..].trim_start();
        if let Some(arguments) = rest.strip_prefix('(') {
            let Some((_, after)) = arguments.split_once(')') else { return Vec::new() };
            rest = after.trim_start();
        }
    }
    let is_path = |word: &String| word.starts_with('/') && word.len() <= MOST_PATH_BYTES;
    let paths = words(rest).into_iter().filter(is_path).flat_map(|word| alternatives(&word));
    paths.map(|path| FileEntry { package: package.to_owned(), path, is_bare }).collect()
}

/// Words at white space; double quotes hold one together.
fn words(text: &str) -> Vec<String> {
    let (mut found, mut word, mut inside) = (Vec::new(), String::new(), false);
    for letter in text.chars() {
        match letter {
            '"' => inside = !inside,
            c if c.is_whitespace() && !inside => found.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    found.push(word);
    found.retain(|word| !word.is_empty());
    found
}

/// `a{b,c}` as `ab` and `ac`, as the shell does; a brace without comma or partner stands for itself. At most
/// [`MOST_ALTERNATIVES`], the first ones.
fn alternatives(text: &str) -> Vec<String> {
    let (mut found, mut open_texts) = (Vec::new(), vec![text.to_owned()]);
    while found.len() < MOST_ALTERNATIVES
        && let Some(text) = open_texts.pop()
    {
        let Some((open, close, commas)) = first_braces(&text) else {
            found.push(text);
            continue;
        };
        let starts = [open].into_iter().chain(commas.iter().copied()).map(|before| before + 1);
        let ends = commas.iter().copied().chain([close]);
        let parts = starts
            .zip(ends)
            .take(MOST_ALTERNATIVES)
            .map(|(start, end)| format!("{}{}{}", &text[..open], &text[start..end], &text[close + 1..]));
        let first = open_texts.len();
        open_texts.extend(parts);
        // The last one is taken first.
        open_texts[first..].reverse();
    }
    found
}

/// The first braces with a comma of their own: where they open and close, and their commas.
fn first_braces(text: &str) -> Option<(usize, usize, Vec<usize>)> {
    let mut first: Option<(usize, usize, Vec<usize>)> = None;
    let mut open_braces: Vec<(usize, Vec<usize>)> = Vec::new();
    for (at, letter) in text.char_indices() {
        match (letter, open_braces.last_mut()) {
            ('{', _) => open_braces.push((at, Vec::new())),
            (',', Some((_, commas))) => commas.push(at),
            ('}', Some(_)) => {
                let closed = open_braces.pop().filter(|(_, commas)| !commas.is_empty());
                if let Some((open, commas)) = closed
                    && first.as_ref().is_none_or(|(before, ..)| open < *before)
                {
                    first = Some((open, at, commas));
                }
            }
            _ => {}
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_follow_rpm() {
        for (value, name) in [
            ("https://x.test/a/b.tar.gz#/t1-1.0.tar.gz", "t1-1.0.tar.gz"),
            ("https://x.test/dl?x=1&f=foo.tgz", "foo.tgz"),
            ("https://x.test/c-1.0.tar.gz", "c-1.0.tar.gz"),
            ("a=b.conf", "a=b.conf"),
            ("sub/local.conf", "local.conf"),
        ] {
            assert_eq!(file_name(value), name);
        }
    }

    #[test]
    fn sections_tags_and_files_are_told_apart() {
        let text = "Name: a\nSource0: https://x.test/a.tar\nPATCH:\tb.patch\nSourcecode: no\n%description\nSource1: no\n\
            %package devel\nSource9: nine\n%sourcelist\n# c\nlisted.tar\n%checkout\n%files\n%defattr(-,root,root)\n\
            %dir /etc/a\n%config(noreplace) %attr(0644, root, root) /etc/a/*.conf\n%doc README /usr/share/doc/a\n\
            %exclude /usr/lib/no\n/usr/lib64/{pkgconfig/{a,b}.pc,liba.so}\n\"/usr/share/with space\"\n%{_unknown}/x\n\
            %ghost %verify(not md5) /run/a\n/odd{x}/y{\n%check\nmake\n%files devel -f devel.lang\n/usr/include/a.h\n";
        let parsed = read(text, "a");
        assert!(parsed.has_check);
        assert_eq!(parsed.sources, ["https://x.test/a.tar", "b.patch", "nine", "listed.tar", "%checkout"]);
        let files = [
            "a: /etc/a alone",
            "a: /etc/a/*.conf",
            "a: /usr/share/doc/a",
            "a: /usr/lib64/pkgconfig/a.pc",
            "a: /usr/lib64/pkgconfig/b.pc",
            "a: /usr/lib64/liba.so",
            "a: /usr/share/with space",
            "a: /run/a",
            "a: /odd{x}/y{",
            "a-devel: /usr/include/a.h",
        ];
        assert_eq!(shown(&parsed), files);
    }

    fn shown(parsed: &Parsed) -> Vec<String> {
        let bare = |entry: &FileEntry| if entry.is_bare { " alone" } else { "" };
        parsed.files.iter().map(|entry| format!("{}: {}{}", entry.package, entry.path, bare(entry))).collect()
    }

    #[test]
    fn files_belong_to_the_package_of_their_section() {
        for (section, package) in [
            ("%files", "a"),
            ("%files -f a.lang", "a"),
            ("%files devel", "a-devel"),
            ("%files -f x.list -f y.list devel", "a-devel"),
            ("%files -n liba1 -f x.list", "liba1"),
            ("%files -nliba1", "liba1"),
            ("%FILES\tlibs", "a-libs"),
        ] {
            assert_eq!(shown(&read(&format!("{section}\n/x\n"), "a")), [format!("{package}: /x")], "{section}");
        }
    }

    #[test]
    fn braces_give_the_first_paths_in_the_shells_order() {
        assert_eq!(alternatives("/{a,b{1,2}}{,c}"), ["/a", "/ac", "/b1", "/b1c", "/b2", "/b2c"]);
        assert_eq!(alternatives("/{x}{{a,b}"), ["/{x}{a", "/{x}{b"]);
        let many = read(&format!("%files\n/{}\n", "{a,b}".repeat(800)), "a").files;
        assert_eq!((many.len(), many[0].path.len()), (MOST_ALTERNATIVES, 801));
        assert_eq!(read(&format!("%files\n/{}\n", "{".repeat(1 << 20)), "a").files, Vec::new());
        let line = format!("/{}{}\n", "{a,b}".repeat(8), "x".repeat(4000));
        let endless = read(&format!("%files\n{}", line.repeat(100)), "a").files;
        let bytes: usize = endless.iter().map(|entry| entry.path.len()).sum();
        assert!((MOST_BYTES..MOST_BYTES + MOST_ALTERNATIVES * MOST_PATH_BYTES).contains(&bytes), "{bytes}");
    }

    #[test]
    fn a_word_that_begins_like_check_is_no_section() {
        assert!(!read("%install\n%checkfoo\n %check\n", "a").has_check);
    }
}
