//! Writes the files of an image: each under a temporary name beside its final one, renamed when it is whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::archive;
use super::compress::Encoder;
use super::config::{Compression, Format, Output};
use super::cpio;
use super::identity::Seed;
use super::iso;
use super::partition::Layout;
use super::record::ImageFile;
use super::rootfs::{Entry, Rootfs};
use super::sparse::SparseFile;
use super::{vhd, vhdx};
use crate::regular;

/// What the files are made from.
pub struct Sources<'a> {
    /// The disk, if the image has one.
    pub disk: Option<&'a mut SparseFile>,
    /// Its layout.
    pub layout: Option<&'a Layout>,
    /// The installed tree.
    pub rootfs: &'a Rootfs,
    /// The finished ISO, if one is wanted.
    pub iso: Option<&'a Path>,
    /// The finished archive with the OCI image, if one is wanted.
    pub oci: Option<&'a Path>,
    /// What identifiers come from.
    pub seed: Seed,
    /// The image's time.
    pub epoch: u64,
}

/// A file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`", path.display())]
pub struct OutputError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Writes `output` as the file `path`.
pub fn write(output: &Output, path: &Path, sources: &mut Sources<'_>) -> Result<ImageFile, OutputError> {
    let fault = |source| OutputError { path: path.to_owned(), source };
    let partial = partial_name(path);
    let written = write_partial(output, &partial, sources).and_then(|()| {
        fs::rename(&partial, path)?;
        ImageFile::of(path)
    });
    if written.is_err() {
        // What is left of it; the error that counts is the first one.
        let _ = fs::remove_file(&partial);
    }
    written.map_err(fault)
}

/// The name of a file that is not whole yet.
fn partial_name(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".partial");
    path.with_file_name(name)
}

fn write_partial(output: &Output, partial: &Path, sources: &mut Sources<'_>) -> io::Result<()> {
    let mut file = File::create(partial)?;
    match (&output.format, output.compression) {
        (Format::Raw | Format::Vhd | Format::Partition { .. }, Compression::None) => {
            write_sparse(&output.format, &mut file, sources)?;
        }
        (_, compression) => {
            let mut encoder = Encoder::new(compression, BufWriter::with_capacity(1 << 18, &file))?;
            write_stream(&output.format, &mut encoder, sources)?;
            encoder.finish()?.flush()?;
        }
    }
    file.sync_all()
}

/// The part of the disk that a format holds, and what follows it.
fn part(format: &Format, sources: &Sources<'_>) -> ((u64, u64), Vec<u8>) {
    let bytes = sources.layout.map_or(0, |layout| layout.bytes);
    match format {
        Format::Partition { index, .. } => {
            let slot = sources.layout.and_then(|layout| layout.slots.get(*index));
            (slot.map_or((0, 0), |slot| (slot.start, slot.start + slot.bytes)), Vec::new())
        }
        Format::Vhd => {
            let identity = sources.seed.uuid("vhd");
            ((0, bytes), vhd::footer(bytes, identity, sources.epoch).to_vec())
        }
        _ => ((0, bytes), Vec::new()),
    }
}

/// Writes a part of the disk and leaves holes where it is zero.
fn write_sparse(format: &Format, file: &mut File, sources: &mut Sources<'_>) -> io::Result<()> {
    let ((start, end), tail) = part(format, sources);
    file.set_len(end - start + tail.len() as u64)?;
    if let Some(disk) = &mut sources.disk {
        disk.each_piece((start, end), |at, bytes| {
            file.seek(SeekFrom::Start(at - start))?;
            file.write_all(bytes)
        })?;
    }
    file.seek(SeekFrom::Start(end - start))?;
    file.write_all(&tail)
}

fn write_stream(format: &Format, to: &mut impl Write, sources: &mut Sources<'_>) -> io::Result<()> {
    match format {
        Format::Raw | Format::Vhd | Format::Partition { .. } => {
            let ((start, end), tail) = part(format, sources);
            let mut next = start;
            if let Some(disk) = &mut sources.disk {
                disk.each_piece((start, end), |at, bytes| {
                    zeros(to, at - next)?;
                    next = at + bytes.len() as u64;
                    to.write_all(bytes)
                })?;
            }
            zeros(to, end - next)?;
            to.write_all(&tail)
        }
        Format::Vhdx => sources.disk.as_mut().map_or(Ok(()), |disk| vhdx::write(disk, sources.seed, to)),
        Format::Tar => archive::write(to, sources.rootfs),
        Format::Initrd => {
            let entries: Vec<(&str, &Entry)> = sources.rootfs.entries().collect();
            let mut gzip = Encoder::new(Compression::Gz, to)?;
            cpio::write(&mut gzip, sources.rootfs, &entries, iso::init_link(sources.rootfs))?;
            gzip.finish()?.flush()
        }
        Format::Iso => copy(sources.iso, to),
        Format::Oci => copy(sources.oci, to),
    }
}

fn copy(from: Option<&Path>, to: &mut impl Write) -> io::Result<()> {
    from.map_or(Ok(()), |from| io::copy(&mut regular::open(from)?, to).map(drop))
}

fn zeros(to: &mut impl Write, count: u64) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), count), to).map(drop)
}
