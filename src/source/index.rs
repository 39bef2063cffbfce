//! The source index of a package archive: which upstream file it holds under which digest.
//!
//! In: a `Sources` index as Debian's repository format describes it: each file of each source package with its SHA-256.
//! Out: a [`Lookup`] from digest to path, kept as a text file of one line a file, so that a later run reads that alone.
//! Files that Debian itself made (`.dsc`, `.debian.tar.*`, `.diff.gz`) are left out.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, Read};

use crate::digest::Sha256;

const FIRST_LINE: &str = "drydock-source-index 1";

/// The longest line of an index; the lists of binary packages in Debian's have some ten thousand bytes.
const MOST_LINE_BYTES: u64 = 4 << 20;

/// The longest path that Linux opens.
const MOST_PATH_BYTES: usize = 4096;

/// Where an archive keeps files, by digest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lookup {
    /// Digest of the index that this was made from; None when the archive has no such index.
    pub(super) made_from: Option<Sha256>,
    /// Path below the archive's folder, and size in bytes.
    pub(super) files: HashMap<Sha256, (String, u64)>,
}

impl Lookup {
    /// Reads a `Sources` index.
    pub(super) fn read_index(index: impl BufRead, digest: Sha256) -> io::Result<Self> {
        let mut lookup = Self { made_from: Some(digest), files: HashMap::new() };
        let mut paragraph = Paragraph::default();
        let mut index = index;
        while let Some(line) = next_line(&mut index)? {
            if line.trim().is_empty() {
                lookup.add(std::mem::take(&mut paragraph));
            } else {
                paragraph.read(&line);
            }
        }
        lookup.add(paragraph);
        Ok(lookup)
    }

    /// A folder whose name is longer than any path is passed over: it would be kept once for each of its files.
    fn add(&mut self, paragraph: Paragraph) {
        if paragraph.directory.len() > MOST_PATH_BYTES {
            return;
        }
        for (digest, bytes, name) in paragraph.files {
            self.files.entry(digest).or_insert_with(|| (format!("{}/{name}", paragraph.directory), bytes));
        }
    }

    /// The text form, sorted by path.
    pub(super) fn to_text(&self) -> String {
        let mut files: Vec<_> = self.files.iter().map(|(digest, (path, bytes))| (path, bytes, digest)).collect();
        files.sort();
        let made_from = self.made_from.map_or_else(|| "-".to_owned(), |digest| digest.to_string());
        let mut text = format!("{FIRST_LINE} {made_from} {}\n", files.len());
        for (path, bytes, digest) in files {
            let _ = writeln!(text, "{digest} {bytes} {path}");
        }
        text
    }

    /// Reads the text form; None when it is not one, or not all of one.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (made_from, count) = lines.next()?.strip_prefix(FIRST_LINE)?.strip_prefix(' ')?.split_once(' ')?;
        let made_from = if made_from == "-" { None } else { Some(made_from.parse().ok()?) };
        let files: Option<HashMap<_, _>> = lines.map(file_line).collect();
        files.filter(|files| count.parse() == Ok(files.len())).map(|files| Self { made_from, files })
    }
}

fn file_line(line: &str) -> Option<(Sha256, (String, u64))> {
    let mut words = line.splitn(3, ' ');
    let (digest, bytes, path) = (words.next()?, words.next()?, words.next()?);
    Some((digest.parse().ok()?, (path.to_owned(), bytes.parse().ok()?)))
}

/// The next line of `index`, without its end; None after the last one.
///
/// # Errors
/// It is longer than any line of an index, or is no text.
fn next_line(index: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let read = index.by_ref().take(MOST_LINE_BYTES).read_until(b'\n', &mut line)?;
    if read as u64 == MOST_LINE_BYTES {
        return Err(io::Error::other(format!("a line has more than {MOST_LINE_BYTES} bytes")));
    }
    if read == 0 {
        return Ok(None);
    }
    let text = String::from_utf8(line).map_err(io::Error::other)?;
    Ok(Some(text.trim_end_matches('\n').to_owned()))
}

/// One source package of an index.
#[derive(Default)]
struct Paragraph {
    directory: String,
    files: Vec<(Sha256, u64, String)>,
    in_digests: bool,
}

impl Paragraph {
    fn read(&mut self, line: &str) {
        if line.starts_with(' ') {
            if self.in_digests {
                self.files.extend(digest_line(line));
            }
        } else if let Some(directory) = line.strip_prefix("Directory:") {
            directory.trim().clone_into(&mut self.directory);
            self.in_digests = false;
        } else {
            self.in_digests = line.starts_with("Checksums-Sha256:");
        }
    }
}

/// ` <digest> <size> <file name>`
fn digest_line(line: &str) -> Option<(Sha256, u64, String)> {
    let mut words = line.split_whitespace();
    let (digest, bytes, name) = (words.next()?, words.next()?, words.next()?);
    let ends = |end: &str| name.strip_suffix(end).is_some();
    let of_debian = ends(".dsc") || ends(".diff.gz") || name.contains(".debian.tar.");
    if of_debian { None } else { Some((digest.parse().ok()?, bytes.parse().ok()?, name.to_owned())) }
}

/// The digest and size of the file `path` in the text of a `Release` or `InRelease` file.
pub(super) fn released(release: &str, path: &str) -> Option<(Sha256, u64)> {
    let digests = release.lines().skip_while(|line| line.trim_end() != "SHA256:").skip(1);
    let mut found = digests.take_while(|line| line.starts_with(' ')).map(str::split_whitespace);
    found.find_map(|mut words| {
        let (digest, bytes, name) = (words.next()?, words.next()?, words.next()?);
        if name == path { Some((digest.parse().ok()?, bytes.parse().ok()?)) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> String {
        let digit = |digit: &str| digit.repeat(64);
        format!(
            "Package: zlib\nBinary: zlib1g,\n zlib1g-dev\nFiles:\n 00 1 zlib.dsc\n\
             Checksums-Sha256:\n {a} 10 zlib_1.dsc\n {b} 20 zlib_1.orig.tar.bz2\n {c} 30 zlib_1.debian.tar.xz\n\
             Homepage: x\nDirectory: pool/main/z/zlib\n\n\
             Package: native\nDirectory: pool/main/n/native\nChecksums-Sha256:\n {d} 7 native_1.tar.xz\n",
            a = digit("a"),
            b = digit("b"),
            c = digit("c"),
            d = digit("d")
        )
    }

    #[test]
    fn upstream_files_are_found_by_digest() {
        let lookup = Lookup::read_index(index().as_bytes(), Sha256::of_bytes(b"")).unwrap();
        let found = |digit: &str| lookup.files.get(&digit.repeat(64).parse().unwrap()).cloned();
        assert_eq!(found("b"), Some(("pool/main/z/zlib/zlib_1.orig.tar.bz2".into(), 20)));
        assert_eq!(found("d"), Some(("pool/main/n/native/native_1.tar.xz".into(), 7)));
        assert_eq!((found("a"), found("c")), (None, None));
    }

    #[test]
    fn the_text_form_reads_back_and_a_cut_one_does_not() {
        let lookup = Lookup::read_index(index().as_bytes(), Sha256::of_bytes(b"")).unwrap();
        let text = lookup.to_text();
        assert_eq!(Lookup::from_text(&text), Some(lookup));
        assert_eq!(Lookup::from_text(text.trim_end().rsplit_once('\n').unwrap().0), None);
        let none = Lookup::default();
        assert_eq!(Lookup::from_text(&none.to_text()), Some(none));
    }

    #[test]
    fn a_release_file_vouches_for_an_index() {
        let digest = "e".repeat(64);
        let release = format!(
            "Origin: x\nMD5Sum:\n 00 1 main/source/Sources.xz\nSHA256:\n {digest} 5 main/source/Sources.xz\nX: y\n"
        );
        assert_eq!(released(&release, "main/source/Sources.xz"), Some((digest.parse().unwrap(), 5)));
        assert_eq!(released(&release, "main/source/Sources.gz"), None);
    }
}
