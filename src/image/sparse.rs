//! A disk image file that stays sparse: what is zero is not written, and what was written is known.
//!
//! Which ranges hold data follows from the writes alone, not from the host's file system, so that formats made from it
//! (VHDX) come out the same everywhere.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Data is tracked in units of this many bytes.
pub const UNIT: u64 = 4096;

/// A new file of fixed size, zero where nothing was written.
#[derive(Debug)]
pub struct SparseFile {
    file: File,
    size: u64,
    written: BTreeSet<u64>,
}

impl SparseFile {
    /// Makes the file `path` of `size` bytes; one that is there is emptied.
    pub fn create(path: &Path, size: u64) -> io::Result<Self> {
        let file = File::options().create(true).truncate(true).read(true).write(true).open(path)?;
        file.set_len(size)?;
        Ok(Self { file, size, written: BTreeSet::new() })
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Writes `bytes` at `offset`.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if offset + bytes.len() as u64 > self.size {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "the disk image ends before the data"));
        }
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let in_unit = usize::try_from(UNIT - at % UNIT).map_or(rest.len(), |room| room.min(rest.len()));
            let (now, later) = rest.split_at(in_unit);
            self.write_in_unit(at, now)?;
            at += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    fn write_in_unit(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let unit = at / UNIT;
        if bytes.iter().all(|byte| *byte == 0) && !self.written.contains(&unit) {
            return Ok(());
        }
        self.written.insert(unit);
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(bytes)
    }

    /// Fills `bytes` from `offset`.
    pub fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.read_exact(bytes)
    }

    /// The units that were written, as half-open ranges of bytes, ascending and not touching one another.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for unit in &self.written {
            let (start, end) = (unit * UNIT, ((unit + 1) * UNIT).min(self.size));
            match ranges.last_mut() {
                Some(last) if last.1 == start => last.1 = end,
                _ => ranges.push((start, end)),
            }
        }
        ranges
    }

    /// True when something in the half-open range `start..end` was written.
    pub fn has_data(&self, start: u64, end: u64) -> bool {
        self.written.range(start / UNIT..end.div_ceil(UNIT)).next().is_some()
    }

    /// The part `start..start + size` as a file of its own.
    pub fn window(&mut self, start: u64, size: u64) -> Window<'_> {
        Window { disk: self, start, size, at: 0 }
    }

    /// Calls `copy` for every written piece with its offset, in order; a piece has at most 1 MiB.
    pub fn each_piece(
        &mut self,
        (start, end): (u64, u64),
        mut copy: impl FnMut(u64, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 20];
        for (from, to) in self.ranges() {
            let (mut at, to) = (from.max(start), to.min(end));
            while at < to {
                let piece = &mut buffer[..usize::try_from(to - at).map_or(1 << 20, |left| left.min(1 << 20))];
                self.read_at(at, piece)?;
                copy(at, piece)?;
                at += piece.len() as u64;
            }
        }
        Ok(())
    }

    /// Makes sure that the content is on the disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// A part of a [`SparseFile`], read and written from its own offset 0.
pub struct Window<'a> {
    disk: &'a mut SparseFile,
    start: u64,
    size: u64,
    at: u64,
}

impl Window<'_> {
    fn room(&self, wanted: usize) -> usize {
        usize::try_from(self.size.saturating_sub(self.at)).map_or(wanted, |left| left.min(wanted))
    }
}

impl Read for Window<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.room(bytes.len());
        self.disk.read_at(self.start + self.at, &mut bytes[..length])?;
        self.at += length as u64;
        Ok(length)
    }
}

impl Write for Window<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.room(bytes.len());
        self.disk.write_at(self.start + self.at, &bytes[..length])?;
        self.at += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a place before the start"))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_zero_counts_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = SparseFile::create(&folder.path().join("disk"), 1 << 20).unwrap();
        disk.write_at(0, &[0; 10_000]).unwrap();
        assert!(disk.ranges().is_empty());
        disk.write_at(5000, &[7; 8000]).unwrap();
        assert_eq!(disk.ranges(), [(4096, 16384)]);
        assert!(disk.has_data(16000, 20000) && !disk.has_data(16384, 1 << 20));
        // Zeros over data count.
        disk.write_at(5000, &[0; 8000]).unwrap();
        let mut back = [1; 8000];
        disk.read_at(5000, &mut back).unwrap();
        assert!(back.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_window_ends_where_its_part_ends() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = SparseFile::create(&folder.path().join("disk"), 1 << 20).unwrap();
        let mut window = disk.window(8192, 100);
        window.seek(SeekFrom::End(-4)).unwrap();
        assert_eq!(window.write(b"abcdefgh").unwrap(), 4);
        let mut back = [0; 4];
        disk.read_at(8288, &mut back).unwrap();
        assert_eq!(&back, b"abcd");
        assert!(disk.write_at((1 << 20) - 1, b"ab").is_err());
    }
}
