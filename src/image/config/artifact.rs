//! The files that an image comes out as: `Disks[0].Artifacts` and `Disks[0].Partitions[n].Artifacts`.
//!
//! The combinations are those of Azure Linux's `roast`; a container image there has a compression and no type.

use super::disk::{Disk, FileSystem};
use super::system::System;
use super::{Faults, raw};
use crate::printable;

/// What a file is, before it is compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// The disk, byte for byte.
    Raw,
    /// A fixed VHD, as Azure and Hyper-V's first generation take it.
    Vhd,
    /// A dynamic VHDX.
    Vhdx,
    /// The file system of one partition alone.
    Partition {
        /// Index into [`Disk::partitions`].
        index: usize,
        /// `ext4` and the like.
        extension: &'static str,
    },
    /// A tar archive of the tree.
    Tar,
    /// An initramfs: a cpio archive of the tree, compressed by gzip.
    Initrd,
    /// A live ISO: the tree runs from memory; starts by BIOS and by UEFI.
    Iso,
    /// An OCI image in one tar archive, with the tree as its only layer.
    Oci,
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the formats")]
pub enum Compression {
    None,
    Gz,
    Xz,
    Zst,
}

/// One file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// First part of its name; unique together with the extension.
    pub name: String,
    /// What it is.
    pub format: Format,
    /// How it is compressed.
    pub compression: Compression,
}

impl Output {
    /// Extension of the file, without a dot before it.
    pub fn extension(&self) -> String {
        let format = match &self.format {
            Format::Raw => "raw",
            Format::Vhd => "vhd",
            Format::Vhdx => "vhdx",
            Format::Partition { extension, .. } => extension,
            Format::Tar => "tar",
            Format::Initrd => "img",
            Format::Iso => "iso",
            Format::Oci => "oci.tar",
        };
        let compression = match self.compression {
            Compression::None => "",
            Compression::Gz => ".gz",
            Compression::Xz => ".xz",
            Compression::Zst => ".zst",
        };
        format!("{format}{compression}")
    }

    /// Its file name at `version`; an initramfs carries none, as in Azure Linux.
    pub fn file_name(&self, version: &str) -> String {
        match self.format {
            Format::Initrd => format!("{}.{}", self.name, self.extension()),
            _ => format!("{}-{version}.{}", self.name, self.extension()),
        }
    }

    /// True when it holds a partitioned disk or a part of one.
    pub fn needs_disk(&self) -> bool {
        matches!(self.format, Format::Raw | Format::Vhd | Format::Vhdx | Format::Partition { .. })
    }
}

/// The longest name of a file, in bytes.
const LONGEST_NAME: usize = 255;

/// Of it, what the version and the mark of an unfinished file may take.
const ROOM: usize = 64;

/// The types and compressions that can be made, for messages.
pub(super) const TYPES: &str = "raw, vhd, vhdx, ext4, initrd, iso, oci, tar, tar.gz, tar.xz";

/// The outputs that `disk` names, in its order.
pub(super) fn checked(disk: &raw::Disk, faults: &mut Faults) -> Vec<Output> {
    let mut outputs = Vec::new();
    for (at, artifact) in disk.artifacts.iter().enumerate() {
        let place = format!("Disks[0].Artifacts[{at}]");
        outputs.extend(whole_disk(artifact, &place, faults).and_then(|parts| named(artifact, parts, &place, faults)));
    }
    for (index, partition) in disk.partitions.iter().enumerate() {
        for (at, artifact) in partition.artifacts.iter().enumerate() {
            let place = format!("Disks[0].Partitions[{index}].Artifacts[{at}]");
            let parts = of_partition(artifact, &partition.id, disk, (&place, faults));
            outputs.extend(parts.and_then(|parts| named(artifact, parts, &place, faults)));
        }
    }
    refuse_same_names(&outputs, faults);
    outputs
}

fn whole_disk(artifact: &raw::Artifact, place: &str, faults: &mut Faults) -> Option<(Format, Compression)> {
    let compression = compression(&artifact.compression);
    Some(match (artifact.r#type.as_str(), artifact.compression.as_str()) {
        ("raw", _) => (Format::Raw, compression?),
        ("vhd", _) => (Format::Vhd, compression?),
        ("vhdx", _) => (Format::Vhdx, compression?),
        ("iso", _) => (Format::Iso, compression?),
        ("oci", _) => (Format::Oci, compression?),
        ("tar", _) => (Format::Tar, compression?),
        ("initrd", _) => (Format::Initrd, compression?),
        ("tar.gz", "") | ("", "tar.gz") => (Format::Tar, Compression::Gz),
        ("tar.xz", "") | ("", "tar.xz") => (Format::Tar, Compression::Xz),
        ("", "tar.zst") => (Format::Tar, Compression::Zst),
        (kind, _) => {
            faults.add(format!("{place}.Type"), format!("is `{kind}`, one of {TYPES} is expected"));
            return None;
        }
    })
}

fn of_partition(
    artifact: &raw::Artifact,
    id: &str,
    disk: &raw::Disk,
    (place, faults): (&str, &mut Faults),
) -> Option<(Format, Compression)> {
    let extension = match artifact.r#type.as_str() {
        "ext4" => "ext4",
        "raw" => "raw",
        kind => {
            faults.add(format!("{place}.Type"), format!("is `{kind}`; a partition's file is `ext4` or `raw`"));
            return None;
        }
    };
    let mut sorted: Vec<&raw::Partition> = disk.partitions.iter().collect();
    sorted.sort_by_key(|partition| partition.start);
    let index = sorted.iter().position(|partition| partition.id == id)?;
    Some((Format::Partition { index, extension }, compression(&artifact.compression)?))
}

/// None for a compression that [`super::unsupported`] has refused already.
fn compression(text: &str) -> Option<Compression> {
    Some(match text {
        "" => Compression::None,
        "gz" => Compression::Gz,
        "xz" => Compression::Xz,
        "zst" => Compression::Zst,
        _ => return None,
    })
}

fn named(
    artifact: &raw::Artifact,
    (format, compression): (Format, Compression),
    place: &str,
    faults: &mut Faults,
) -> Option<Output> {
    let name = artifact.name.trim();
    if !printable::is_file_name(name) || name.starts_with('.') || name.contains('\\') {
        let text =
            format!("is {name:?}; the name of a file has no `/`, no `\\`, no control character, and no `.` first");
        faults.add(format!("{place}.Name"), text);
        return None;
    }
    let output = Output { name: name.to_owned(), format, compression };
    // Where it is written, a name of work in progress stands beside it.
    let longest = LONGEST_NAME - (output.file_name("").len() - name.len()) - ROOM;
    if name.len() > longest {
        let count = name.len();
        faults.add(
            format!("{place}.Name"),
            format!("has {count} bytes, and {longest} are the most: version and ending come to them"),
        );
        return None;
    }
    Some(output)
}

fn refuse_same_names(outputs: &[Output], faults: &mut Faults) {
    let mut names: Vec<String> = outputs.iter().map(|output| output.file_name("")).collect();
    names.sort();
    for pair in names.windows(2).filter(|pair| pair[0] == pair[1]) {
        faults.add("Disks[0].Artifacts", format!("would write two files of the name `{}`", pair[0]));
    }
}

/// Notes every output that does not fit the layout.
pub(super) fn check_against_layout(outputs: &[Output], disk: Option<&Disk>, faults: &mut Faults) {
    for output in outputs {
        let name = output.file_name("VERSION");
        match (output.needs_disk(), disk) {
            (true, None) => faults.add("Disks[0].Artifacts", format!("asks for `{name}`, and there are no partitions")),
            (false, Some(_)) => faults.add(
                "Disks[0].Artifacts",
                format!("asks for `{name}`, which is made of a system without Partitions and PartitionSettings"),
            ),
            _ => {}
        }
        if let (Format::Partition { index, extension: "ext4" }, Some(disk)) = (&output.format, disk)
            && let Some(partition) = disk.partitions.get(*index)
            && partition.format != Some(FileSystem::Ext4)
        {
            let id = &partition.id;
            faults.add("Disks[0].Partitions", format!("asks for an ext4 file of `{id}`, whose FsType is not ext4"));
        }
    }
}

/// Notes every output that needs a kernel where the system has none.
pub(super) fn check_against_system(outputs: &[Output], system: &System, faults: &mut Faults) {
    if system.kernel.is_none() && outputs.iter().any(|output| output.format == Format::Iso) {
        faults.add("SystemConfigs[0].KernelOptions", "must name a kernel as `default`: an ISO starts one");
    }
}
