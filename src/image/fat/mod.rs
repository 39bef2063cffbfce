//! A FAT file system, written in one pass: every cluster is given out before the first byte is written.
//!
//! In: entries of a tree. Out: FAT12, FAT16 or FAT32 with equal bytes for equal entries, which `fsck.fat` finds clean. FAT
//! knows no owners, modes, links or devices: folders and regular files are written, anything else is refused by name.
//! Format: Microsoft, "FAT32 File System Specification" 1.03; the crate `fatfs` is not used, since `fsck.fat` complains of
//! the folders it makes.

mod directory;
mod geometry;

use std::collections::HashMap;
use std::io::{self, Seek, SeekFrom, Write};

use directory::{Listed, Names};
use geometry::{Geometry, Kind};

use super::config::FileSystem;
use super::rootfs::{Entry, EntryKind, Rootfs};

/// What a volume is made as.
#[derive(Clone, Debug)]
pub struct Volume {
    /// Its kind; FAT32 that is too small for the number of clusters it must have becomes FAT16 or FAT12.
    pub wanted: FileSystem,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its serial number.
    pub serial: u32,
    /// Its label; the first eleven ASCII letters count.
    pub label: String,
}

/// A folder or file with its clusters.
struct Node<'a> {
    entry: &'a Entry,
    path: &'a str,
    parent: usize,
    /// 0 for an empty file and for the root of FAT12 and FAT16.
    first: u32,
    clusters: u32,
    /// For folders: what is in them.
    names: Names,
}

/// Formats `volume` and writes `entries` of `rootfs` into it; the bytes at `to` must be zero.
pub fn write(
    mut to: impl Write + Seek,
    volume: &Volume,
    rootfs: &Rootfs,
    entries: &[(&str, &Entry)],
) -> io::Result<()> {
    let geometry = Geometry::new(volume.wanted, volume.bytes)?;
    let mut nodes = nodes(entries)?;
    let used = place(&mut nodes, &geometry, label(volume).is_some())?;
    put(&mut to, 0, &geometry.reserved(volume.serial, label(volume).as_ref(), used))?;
    let table = allocation_table(&nodes, &geometry);
    for copy in 0..2 {
        put(&mut to, geometry.table_at(copy), &table)?;
    }
    for (index, node) in nodes.iter().enumerate() {
        let at = if node.first == 0 { geometry.root_at() } else { geometry.cluster_at(node.first) };
        match node.entry.kind {
            EntryKind::Folder => put(&mut to, at, &folder_bytes(&nodes, index, volume))?,
            _ if node.first == 0 => {}
            _ => {
                to.seek(SeekFrom::Start(at))?;
                io::copy(&mut rootfs.content(node.entry)?, &mut to)?;
            }
        }
    }
    to.flush()
}

fn put(to: &mut (impl Write + Seek), at: u64, bytes: &[u8]) -> io::Result<()> {
    to.seek(SeekFrom::Start(at))?;
    to.write_all(bytes)
}

/// The label in the format's eleven letters; None when there is none.
fn label(volume: &Volume) -> Option<[u8; 11]> {
    let mut label = [b' '; 11];
    let mut letters = volume.label.bytes().filter(|letter| letter.is_ascii_alphanumeric() || b"-_".contains(letter));
    for (place, letter) in label.iter_mut().zip(letters.by_ref()) {
        *place = letter.to_ascii_uppercase();
    }
    (label[0] != b' ').then_some(label)
}

/// The root and everything in it, folders before what they hold.
fn nodes<'a>(entries: &[(&'a str, &'a Entry)]) -> io::Result<Vec<Node<'a>>> {
    let mut nodes: Vec<Node<'a>> = Vec::new();
    let mut folders: HashMap<&str, usize> = HashMap::new();
    for (path, entry) in entries {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = folders.get(parent).copied().unwrap_or(0);
        match entry.kind {
            EntryKind::Folder => drop(folders.insert(path, nodes.len())),
            EntryKind::File { size, .. } if u32::try_from(size).is_ok() => {}
            EntryKind::File { .. } => return Err(refused(path, "FAT holds no file of 4 GiB or more")),
            _ => return Err(refused(path, "FAT holds folders and regular files only")),
        }
        let index = nodes.len();
        nodes.push(Node { entry, path, parent, first: 0, clusters: 0, names: Names::default() });
        if !path.is_empty() {
            nodes[parent].names.add(name, index).map_err(|wrong| refused(path, &wrong))?;
        }
    }
    if nodes.is_empty() { Err(refused("", "its root folder is missing")) } else { Ok(nodes) }
}

fn refused(path: &str, wrong: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("`/{path}`: {wrong}"))
}

/// Gives every node its clusters, one run each; the number of clusters given out.
fn place(nodes: &mut [Node<'_>], geometry: &Geometry, has_label: bool) -> io::Result<u32> {
    let cluster = geometry.cluster_bytes();
    let mut next = 2;
    for (index, node) in nodes.iter_mut().enumerate() {
        let bytes = match node.entry.kind {
            EntryKind::File { size, .. } => size,
            // Beside what it holds: `.` and `..`, or the volume's label.
            _ => 32 * (node.names.slots() + if index > 0 { 2 } else { u64::from(has_label) }),
        };
        if index == 0 && geometry.kind != Kind::Fat32 {
            if bytes > geometry.root_bytes() {
                return Err(refused("", "the root folder of FAT16 has too little room"));
            }
            continue;
        }
        let least = u64::from(matches!(node.entry.kind, EntryKind::Folder));
        let clusters = bytes.div_ceil(cluster).max(least);
        let left = u64::from(geometry.clusters + 2 - next);
        if clusters > left {
            let text = format!("it has {clusters} clusters of {cluster} bytes, and {left} are left");
            return Err(io::Error::new(io::ErrorKind::StorageFull, refused(node.path, &text).to_string()));
        }
        node.clusters = u32::try_from(clusters).unwrap_or(u32::MAX);
        node.first = if clusters == 0 { 0 } else { next };
        next += node.clusters;
    }
    Ok(next - 2)
}

fn allocation_table(nodes: &[Node<'_>], geometry: &Geometry) -> Vec<u8> {
    let end = geometry.kind.end_of_chain();
    // The first two stand for the medium and for "unmounted cleanly".
    let mut table = vec![end & 0x0fff_ff00 | 0xf8, end];
    for node in nodes {
        let last = node.first + node.clusters;
        table.extend((node.first..last).map(|cluster| if cluster + 1 == last { end } else { cluster + 1 }));
    }
    geometry.kind.encoded(&table)
}

fn folder_bytes(nodes: &[Node<'_>], index: usize, volume: &Volume) -> Vec<u8> {
    let folder = &nodes[index];
    let mut bytes = Vec::new();
    if index == 0 {
        if let Some(label) = label(volume) {
            let listed = Listed { attributes: 0x08, first: 0, size: 0, time: folder.entry.mtime };
            bytes.extend_from_slice(&listed.slot(&label));
        }
    } else {
        // The parent's cluster is 0 when the parent is the root, in FAT32 too.
        let parent = if folder.parent == 0 { 0 } else { nodes[folder.parent].first };
        for (name, first) in [(b".          ", folder.first), (b"..         ", parent)] {
            let listed = Listed { attributes: 0x10, first, size: 0, time: folder.entry.mtime };
            bytes.extend_from_slice(&listed.slot(name));
        }
    }
    folder.names.write(&mut bytes, |child| {
        let node = &nodes[child];
        let (attributes, size) = match node.entry.kind {
            EntryKind::File { size, .. } => (0x20, u32::try_from(size).unwrap_or(u32::MAX)),
            _ => (0x10, 0),
        };
        Listed { attributes, first: node.first, size, time: node.entry.mtime }
    });
    bytes
}

#[cfg(test)]
mod tests;
