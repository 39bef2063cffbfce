//! Files that a container has left, which are as long as a spec wants: what is kept of them has an end.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// The most that is read of an answer. The longest of real specs have some MiB.
const MOST_BYTES: u64 = 64 << 20;

/// How much of the beginning and of the end of an output is kept.
const END_BYTES: u64 = 16 << 10;

/// An answer is longer than anybody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong {
    bytes: u64,
}

/// Told as the error of a spec.
impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes } = self;
        write!(
            f,
            "error: what `rpmspec` makes of it has {bytes} bytes, and at most {MOST_BYTES} are read\nlook at a macro, a \
             `%(…)` or an `%include` in it that gives so much text"
        )
    }
}

/// The text of a file, None when there is none; bytes that are not UTF-8 are replaced.
pub(super) fn text(path: &Path) -> io::Result<Option<Result<String, TooLong>>> {
    let Some(file) = opened(path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    let length = file.metadata()?.len();
    if length > MOST_BYTES || file.take(MOST_BYTES + 1).read_to_end(&mut bytes)? as u64 > MOST_BYTES {
        return Ok(Some(Err(TooLong { bytes: length.max(MOST_BYTES + 1) })));
    }
    Ok(Some(Ok(String::from_utf8_lossy(&bytes).into_owned())))
}

/// The first and the last lines of a file, None when there is none; what is between them is counted.
pub(super) fn ends(path: &Path) -> io::Result<Option<String>> {
    let Some(mut file) = opened(path)? else { return Ok(None) };
    let length = file.metadata()?.len();
    let left_out = length.saturating_sub(2 * END_BYTES);
    let (mut first, mut last) = (Vec::new(), Vec::new());
    (&mut file).take(if left_out == 0 { length } else { END_BYTES }).read_to_end(&mut first)?;
    if left_out > 0 {
        file.seek(SeekFrom::Start(length - END_BYTES))?;
        file.take(END_BYTES).read_to_end(&mut last)?;
    }
    let [first, last] = [first, last].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let between = if left_out == 0 { String::new() } else { format!("\n… {left_out} bytes are left out here …\n") };
    Ok(Some(first + &between + &last))
}

fn opened(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_output_the_ends_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.stderr");
        assert_eq!(ends(&path).unwrap(), None);
        std::fs::write(&path, "short\n").unwrap();
        assert_eq!(ends(&path).unwrap().unwrap(), "short\n");
        let long = format!("error: line 3: first\n{}error: last\n", "warning: x\n".repeat(1 << 20));
        std::fs::write(&path, &long).unwrap();
        let kept = ends(&path).unwrap().unwrap();
        assert!(kept.starts_with("error: line 3: first\n") && kept.ends_with("\nerror: last\n"));
        assert!(kept.contains("… 11501601 bytes are left out here …"), "{}", long.len());
        assert!(kept.len() < 40 << 10, "{}", kept.len());
    }

    #[test]
    fn an_answer_without_end_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.parsed");
        assert_eq!(text(&path).unwrap(), None);
        std::fs::write(&path, "a").unwrap();
        assert_eq!(text(&path).unwrap().unwrap().unwrap(), "a");
        File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        let told = text(&path).unwrap().unwrap().unwrap_err().to_string();
        assert!(told.starts_with("error: what `rpmspec` makes of it has 1099511627776 bytes, and at most"), "{told}");
    }
}
