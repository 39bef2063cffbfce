//! Files that are opened by their names and are to be files: a pipe would be waited for until somebody writes into it.

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

/// All bytes of the file `path`, opened as by [`open`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(file.metadata()?.len()).unwrap_or_default());
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of the file `path`, opened as by [`open`].
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let no_text = |_| io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8");
    String::from_utf8(read(path)?).map_err(no_text)
}

fn no_file(metadata: &std::fs::Metadata) -> io::Error {
    let kind = metadata.file_type();
    let what = match () {
        () if kind.is_dir() => return Errno::ISDIR.into(),
        () if kind.is_fifo() => "pipe",
        () if kind.is_socket() => "socket",
        () => "device",
    };
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is a {what}, not a file"))
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
        }
        assert_eq!(open(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(open(&at("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::write(at("file"), "ä").unwrap();
        assert_eq!(read_to_string(&at("file")).unwrap(), "ä");
        std::fs::write(at("file"), [0xff]).unwrap();
        assert_eq!(read_to_string(&at("file")).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
