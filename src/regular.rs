//! Files that are opened by their names and are to be files: a pipe would be waited for until somebody writes into it.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// The file `path`, or what the link `path` leads to, for reading.
///
/// # Errors
/// Anything but a regular file is one, and is not waited for.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // Sockets, and devices that nothing drives.
        Err(Errno::NXIO | Errno::NODEV) => return Err(no_file(&path.metadata()?)),
        Err(fault) => return Err(fault.into()),
    };
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok(file) } else { Err(no_file(&metadata)) }
}

/// The most that a text may have that people write.
const MOST_TEXT: u64 = 64 << 20;

/// A file is longer than any text that people write.
#[derive(Debug, thiserror::Error)]
#[error("it has {bytes} bytes, and a text file may have {MOST_TEXT} (64 MiB) at most")]
struct TooLong {
    bytes: u64,
}

/// True for the error of a text that is too long.
pub fn is_too_long(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<TooLong>)
}

/// True for the error of opening what is there and is no file: a folder, a pipe, a socket, a device.
pub fn is_no_file(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::IsADirectory || error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<NoFile>)
}

/// Something of that name is no file.
#[derive(Debug, thiserror::Error)]
#[error("it is a {what}, not a file")]
struct NoFile {
    what: &'static str,
}

/// All bytes of the file `path` of our own, opened as by [`open`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(file.metadata()?.len()).unwrap_or_default());
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// All bytes of the text file `path`, which people write, opened as by [`open`].
///
/// # Errors
/// A file that is too long for a text is one ([`is_too_long`]), and is not read.
pub fn read_text(path: &Path) -> io::Result<Vec<u8>> {
    bounded(open(path)?)
}

/// The text of `path`, which the user names to be read once: a file, or a pipe as shells make for `<(…)`.
pub fn read_given(path: &Path) -> io::Result<String> {
    text_of(bounded(File::open(path)?)?)
}

/// The bytes of a text.
fn bounded(file: File) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(MOST_TEXT)).unwrap_or_default());
    // It may grow while it is read.
    if length > MOST_TEXT || file.take(MOST_TEXT + 1).read_to_end(&mut bytes)? as u64 > MOST_TEXT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, TooLong { bytes: length.max(MOST_TEXT + 1) }));
    }
    Ok(bytes)
}

/// The text of the file `path`, read as by [`read_text`].
pub fn read_to_string(path: &Path) -> io::Result<String> {
    text_of(read_text(path)?)
}

/// `bytes` as text.
fn text_of(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let line = bytes[..at].split(|byte| *byte == b'\n').count();
        let begin = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let column = String::from_utf8_lossy(&bytes[begin..at]).chars().count() + 1;
        let wrong = format!(
            "line {line} column {column}: the byte 0x{:02x} is not UTF-8; save the file as UTF-8",
            bytes.get(at).copied().unwrap_or_default()
        );
        io::Error::new(io::ErrorKind::InvalidData, wrong)
    })
}

fn no_file(metadata: &std::fs::Metadata) -> io::Error {
    let kind = metadata.file_type();
    let what = match () {
        () if kind.is_dir() => return Errno::ISDIR.into(),
        () if kind.is_fifo() => "pipe",
        () if kind.is_socket() => "socket",
        () => "device",
    };
    io::Error::new(io::ErrorKind::InvalidInput, NoFile { what })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType, mknodat};

    use super::*;

    #[test]
    fn what_is_no_file_is_told_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        std::os::unix::fs::symlink("pipe", at("link")).unwrap();
        let told = |path: &Path| read(path).unwrap_err().to_string();
        for (name, kind) in [("pipe", "pipe"), ("link", "pipe"), ("socket", "socket"), ("/dev/zero", "device")] {
            assert_eq!(told(&at(name)), format!("it is a {kind}, not a file"), "{name}");
            assert!(is_no_file(&read(&at(name)).unwrap_err()));
        }
        assert_eq!(open(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert!(is_no_file(&open(folder.path()).map(|_| ()).and_then(|()| read(folder.path())).unwrap_err()));
        assert_eq!(open(&at("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::write(at("file"), "ä").unwrap();
        assert_eq!(read_to_string(&at("file")).unwrap(), "ä");
        std::fs::write(at("file"), b"a\n\xc3\xa4b\xff\n").unwrap();
        let wrong = read_to_string(&at("file")).unwrap_err();
        assert_eq!(wrong.kind(), io::ErrorKind::InvalidData);
        assert_eq!(wrong.to_string(), "line 2 column 3: the byte 0xff is not UTF-8; save the file as UTF-8");
    }

    #[test]
    fn what_is_too_long_for_a_text_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("huge");
        File::create(&path).unwrap().set_len(500 << 30).unwrap();
        let wrong = read_to_string(&path).unwrap_err();
        assert_eq!(wrong.to_string(), "it has 536870912000 bytes, and a text file may have 67108864 (64 MiB) at most");
        assert!(is_too_long(&read_given(Path::new("/dev/zero")).unwrap_err()), "what has no length, too");
        assert!(is_too_long(&wrong) && !is_too_long(&io::Error::other("x")));
    }
}
