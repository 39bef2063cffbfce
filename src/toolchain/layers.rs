//! A root file system cut into layers, one a source package, so that a pull after a change of one package moves only its
//! layer and the last one.
//!
//! In: the root as a tar archive, and which source package each path belongs to. Out: tar archives, one a layer. The last
//! layer has what belongs to no package or is made while packages are installed: the RPM database, the cache of the
//! dynamic linker. Each layer has the folders above its files, with one time in all layers, so that a layer does not
//! depend on what other packages put into a folder.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::oci::{Member, MemberKind, MemberWriter, read_members};

/// Docker takes 127 layers; a stage above may add some.
const MOST_LAYERS: usize = 100;
/// The time of every folder: 1980-01-01, the first day that every archive format can hold.
const FOLDER_TIME: u64 = 315_532_800;

/// Which source package the paths of a root belong to.
#[derive(Clone, Debug, Default)]
pub(super) struct Owners {
    /// Names of source packages by absolute path, as the RPMs have it.
    pub(super) paths: BTreeMap<String, String>,
    /// Paths of packages whose content is made while they are installed.
    pub(super) ghosts: BTreeSet<String>,
}

/// A root that was cut.
pub(super) struct Cut {
    /// The layers, lowest first.
    pub(super) layers: Vec<PathBuf>,
    /// Files and links that no package has; absolute, sorted.
    pub(super) unowned: Vec<String>,
}

/// Writes the layers of the root in the archive `tar` into the folder `into`.
pub(super) fn cut(tar: &Path, owners: &Owners, into: &Path) -> io::Result<Cut> {
    let root = Root::read(tar)?;
    let (owned, ghosts) = (root.real(&owners.paths), root.real_set(&owners.ghosts));
    let (mut groups, mut unowned) = (BTreeMap::<&str, Group>::new(), Vec::new());
    let mut rest = Group::default();
    for (at, (member, _)) in root.members.iter().enumerate() {
        let path = String::from_utf8_lossy(holder(member)).into_owned();
        let group = match owned.get(&path).filter(|_| !ghosts.contains(&path)) {
            Some(source) => groups.entry(source).or_default(),
            None => &mut rest,
        };
        group.members.push(at);
        group.bytes += member.size;
        if member.kind != MemberKind::Folder && !owned.contains_key(&path) && !ghosts.contains(&path) {
            unowned.push(format!("/{path}"));
        }
    }
    let mut layers = Vec::new();
    for group in joined(groups.into_values().collect()).iter().chain([&rest]) {
        let layer = into.join(format!("{:03}.tar", layers.len()));
        root.write(group, &layer)?;
        layers.push(layer);
    }
    unowned.sort();
    Ok(Cut { layers, unowned })
}

/// What goes into one layer.
#[derive(Default)]
struct Group {
    /// Places in the list of members, ascending.
    members: Vec<usize>,
    bytes: u64,
}

/// The groups in their order; the smallest share a layer where there are too many.
fn joined(mut groups: Vec<Group>) -> Vec<Group> {
    while groups.len() > MOST_LAYERS - 1 {
        let smallest = |groups: &[Group]| (0..groups.len()).min_by_key(|at| (groups[*at].bytes, *at)).unwrap_or(0);
        let small = groups.remove(smallest(&groups));
        let into = smallest(&groups);
        groups[into].bytes += small.bytes;
        groups[into].members.extend(small.members);
        groups[into].members.sort_unstable();
    }
    groups
}

struct Root {
    tar: File,
    /// With the places of their content.
    members: Vec<(Member, u64)>,
    /// Folders by path, as places in the list.
    folders: HashMap<Vec<u8>, usize>,
    /// Links to folders of the root, by path.
    links: HashMap<Vec<u8>, Vec<u8>>,
}

impl Root {
    fn read(tar: &Path) -> io::Result<Self> {
        let (mut members, mut folders, mut links) = (Vec::new(), HashMap::new(), HashMap::new());
        read_members(BufReader::with_capacity(1 << 18, File::open(tar)?), &mut |mut member, offset, _| {
            match &member.kind {
                MemberKind::Folder => {
                    member.mtime = FOLDER_TIME;
                    folders.insert(member.path.clone(), members.len());
                }
                MemberKind::Symlink(target) => drop(links.insert(member.path.clone(), target.clone())),
                _ => {}
            }
            members.push((member, offset));
            Ok(())
        })?;
        Ok(Self { tar: File::open(tar)?, members, folders, links })
    }

    /// The paths without links in their folders, relative.
    fn real(&self, paths: &BTreeMap<String, String>) -> HashMap<String, String> {
        paths.iter().map(|(path, source)| (self.real_path(path), source.clone())).collect()
    }

    fn real_set(&self, paths: &BTreeSet<String>) -> BTreeSet<String> {
        paths.iter().map(|path| self.real_path(path)).collect()
    }

    /// `path` as the archive has it: `/lib64/libc.so.6` is `usr/lib64/libc.so.6` where `/lib64` is a link.
    fn real_path(&self, path: &str) -> String {
        let mut open: Vec<String> = path.split('/').rev().filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let mut real: Vec<String> = Vec::new();
        // A ring of links ends somewhere.
        for _ in 0..256 {
            let Some(part) = open.pop() else { break };
            match part.as_str() {
                "." => continue,
                ".." => {
                    real.pop();
                    continue;
                }
                _ => real.push(part),
            }
            // The last part is the file itself, and may be a link.
            let link = if open.is_empty() { None } else { self.links.get(real.join("/").as_bytes()) };
            if let Some(target) = link {
                let target = String::from_utf8_lossy(target);
                real.pop();
                if target.starts_with('/') {
                    real.clear();
                }
                open.extend(target.split('/').rev().filter(|part| !part.is_empty()).map(str::to_owned));
            }
        }
        real.join("/")
    }

    /// Writes the members of `group` with the folders above them.
    fn write(&self, group: &Group, layer: &Path) -> io::Result<()> {
        let mut wanted: BTreeSet<usize> = group.members.iter().copied().collect();
        for at in &group.members {
            let mut path = self.members[*at].0.path.as_slice();
            while let Some(slash) = path.iter().rposition(|byte| *byte == b'/') {
                path = &path[..slash];
                wanted.extend(self.folders.get(path));
            }
        }
        let mut output = MemberWriter::new(BufWriter::with_capacity(1 << 18, File::create(layer)?));
        for at in wanted {
            let (member, offset) = &self.members[at];
            let mut tar = &self.tar;
            tar.seek(SeekFrom::Start(*offset))?;
            output.append(member, &mut tar.take(member.size))?;
        }
        output.finish()?.flush()
    }
}

/// The path whose owner has `member`: of another name of a file, the name that holds the content.
fn holder(member: &Member) -> &[u8] {
    if let MemberKind::HardLink(target) = &member.kind { target } else { &member.path }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(path: &str, kind: MemberKind, size: u64) -> Member {
        let (path, xattrs) = (path.as_bytes().to_vec(), BTreeMap::new());
        Member { path, kind, mode: 0o755, uid: 0, gid: 0, size, mtime: 7, xattrs }
    }

    fn root(folder: &Path) -> PathBuf {
        let tar = folder.join("root.tar");
        let mut writer = MemberWriter::new(File::create(&tar).unwrap());
        for (path, kind, size) in [
            ("", MemberKind::Folder, 0),
            ("lib", MemberKind::Symlink(b"usr/lib".to_vec()), 0),
            ("usr", MemberKind::Folder, 0),
            ("usr/lib", MemberKind::Folder, 0),
            ("usr/lib/liba.so", MemberKind::File, 3),
            ("usr/lib/liba.so.1", MemberKind::HardLink(b"usr/lib/liba.so".to_vec()), 0),
            ("usr/lib/libb.so", MemberKind::File, 3),
            ("etc", MemberKind::Folder, 0),
            ("etc/ld.so.cache", MemberKind::File, 3),
            ("etc/stray", MemberKind::File, 3),
        ] {
            writer.append(&member(path, kind, size), &mut &b"abc"[..]).unwrap();
        }
        writer.finish().unwrap();
        tar
    }

    fn names(layer: &Path) -> Vec<String> {
        let mut names = Vec::new();
        read_members(File::open(layer).unwrap(), &mut |member, _, _| {
            names.push(format!("{}:{}", String::from_utf8_lossy(&member.path), member.mtime));
            Ok(())
        })
        .unwrap();
        names
    }

    #[test]
    fn each_source_package_has_its_layer_and_the_rest_comes_last() {
        let folder = tempfile::tempdir().unwrap();
        let tar = root(folder.path());
        let mut owners = Owners::default();
        for (path, source) in
            [("/lib/liba.so", "a"), ("/usr/lib/libb.so", "b"), ("/etc/ld.so.cache", "a"), ("/usr", "b"), ("/lib", "b")]
        {
            owners.paths.insert(path.to_owned(), source.to_owned());
        }
        owners.ghosts.insert("/etc/ld.so.cache".to_owned());
        let cut = cut(&tar, &owners, folder.path()).unwrap();
        let layers: Vec<Vec<String>> = cut.layers.iter().map(|layer| names(layer)).collect();
        let time = FOLDER_TIME;
        assert_eq!(
            layers,
            [
                vec![
                    format!("usr:{time}"),
                    format!("usr/lib:{time}"),
                    "usr/lib/liba.so:7".into(),
                    "usr/lib/liba.so.1:7".into()
                ],
                vec!["lib:7".into(), format!("usr:{time}"), format!("usr/lib:{time}"), "usr/lib/libb.so:7".into()],
                vec![
                    format!(":{time}"),
                    format!("usr:{time}"),
                    format!("usr/lib:{time}"),
                    format!("etc:{time}"),
                    "etc/ld.so.cache:7".into(),
                    "etc/stray:7".into()
                ],
            ]
        );
        assert_eq!(cut.unowned, ["/etc/stray"]);
    }

    #[test]
    fn the_smallest_share_a_layer_where_there_are_too_many() {
        let group = |at| Group { members: vec![at], bytes: u64::try_from(at).unwrap() };
        let joined = joined((0..MOST_LAYERS + 3).map(group).collect());
        assert_eq!(joined.len(), MOST_LAYERS - 1);
        let mut all: Vec<usize> = joined.iter().flat_map(|group| group.members.clone()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..MOST_LAYERS + 3).collect::<Vec<_>>());
    }
}
