//! The image of the contract suite: one static busybox, the users `root` and `builder`, nothing else. Loads in no time.
//! And a root in which `rpmbuild` works: the same, and what this machine has for RPM.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use drydock::oci::{ImageConfig, Store, StoredImage};
use tar::{Builder, EntryType, Header};

/// User and group number of `builder`.
pub const BUILDER: u64 = 1234;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbuilder:x:1234:1234::/home/builder:/bin/sh\n";
const GROUP: &str = "root:x:0:\nbuilder:x:1234:\nextra:x:2345:builder\n";

/// Puts the image into `store`.
pub fn image(store: &Store, folder: &Path) -> StoredImage {
    let path = folder.join("rootfs.tar");
    write(&path);
    let config = ImageConfig { env: vec!["FROM_IMAGE=yes".to_owned()], ..ImageConfig::default() };
    store.from_rootfs_tar(&path, &config).unwrap()
}

/// Puts a layer with one file on top of `image`.
pub fn with_file(store: &Store, image: &StoredImage, name: &str, content: &str) -> StoredImage {
    let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    let mut tar = Builder::new(std::fs::File::create(&path).unwrap());
    add(&mut tar, name, (EntryType::Regular, 0o644, 0), content.as_bytes());
    tar.finish().unwrap();
    store.append_layer(image, &path, &store.config(image).unwrap()).unwrap()
}

/// `image` as it is after `srv` was removed and made again with other content, and `bin/zcat` was removed.
pub fn changed(store: &Store, image: &StoredImage) -> StoredImage {
    let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    let mut tar = Builder::new(std::fs::File::create(&path).unwrap());
    let (folder, file) = (EntryType::Directory, EntryType::Regular);
    for (name, kind, content) in [
        ("bin/", (folder, 0o755, 0), ""),
        ("bin/.wh.zcat", (file, 0, 0), ""),
        ("srv/", (folder, 0o750, 0), ""),
        ("srv/.wh.gone", (file, 0, 0), ""),
        ("srv/kept", (file, 0o644, 0), "same"),
        ("srv/new", (file, 0o644, BUILDER), "new"),
        ("srv/sub/", (folder, 0o755, 0), ""),
        ("srv/sub/.wh.old", (file, 0, 0), ""),
    ] {
        add(&mut tar, name, kind, content.as_bytes());
    }
    tar.finish().unwrap();
    store.append_layer(image, &path, &store.config(image).unwrap()).unwrap()
}

/// What the last layer of `image` holds, for people who compare.
pub fn members(store: &Store, image: &StoredImage) -> Vec<String> {
    let mut archive = tar::Archive::new(store.open_layer(image.layers.last().unwrap()).unwrap());
    let about = |entry: tar::Entry<'_, _>| {
        let header = entry.header();
        let owner = (header.uid().unwrap(), header.gid().unwrap());
        format!(
            "{} {:o} {owner:?} {}",
            entry.path().unwrap().display(),
            header.mode().unwrap(),
            header.mtime().unwrap()
        )
    };
    archive.entries().unwrap().map(|entry| about(entry.unwrap())).collect()
}

fn busybox() -> PathBuf {
    let places = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from);
    places.into_iter().find(|path| path.exists()).expect("busybox is missing: apt-get install busybox-static")
}

/// Programs that are this machine's own, in the place of busybox's: its shell would call its own `rpm`.
const OWN: [&str; 9] = ["rpm", "rpmbuild", "rpmspec", "rpmkeys", "rpmdb", "dash", "realpath", "tar", "gzip"];

/// Writes the archive of a root in which `rpmbuild` works.
pub fn write_with_rpm(path: &Path) {
    let mut tar = start(path, &["rpm", "sh", "realpath", "tar", "gzip"]);
    for (folder, mode) in [("etc/rpm", 0o755), ("lib64", 0o755), ("var/tmp", 0o1777), ("var/lib/rpm", 0o755)] {
        add(&mut tar, folder, (EntryType::Directory, mode, 0), b"");
    }
    // Debian's rpm keeps its database in the home folder of whoever calls it.
    add(&mut tar, "etc/rpm/macros.dbpath", (EntryType::Regular, 0o644, 0), b"%_dbpath /var/lib/rpm\n");
    let found =
        |name: &&str| ["/usr/bin", "/bin"].iter().map(|folder| Path::new(folder).join(name)).find(|it| it.exists());
    let programs: Vec<PathBuf> = OWN.iter().filter_map(found).collect();
    for program in &programs {
        let name = program.file_name().unwrap().to_string_lossy().into_owned();
        tar.append_path_with_name(program.canonicalize().unwrap(), format!("usr/bin/{name}")).unwrap();
    }
    tar.append_link(&mut header((EntryType::Symlink, 0o777, 0), 0), "bin/sh", "../usr/bin/dash").unwrap();
    tar.append_dir_all("usr/lib/rpm", "/usr/lib/rpm").unwrap();
    // What rpm tells kinds of files by; Debian's list is a third of all bytes.
    add(&mut tar, "usr/share/misc/magic", (EntryType::Regular, 0o644, 0), b"0 string \\177ELF ELF\n");
    let helpers = std::fs::read_dir("/usr/lib/rpm").unwrap().map(|entry| entry.unwrap().path());
    for library in libraries(programs.into_iter().chain(helpers.filter(|path| path.is_file()))) {
        tar.append_path_with_name(library.canonicalize().unwrap(), library.strip_prefix("/").unwrap()).unwrap();
    }
    tar.finish().unwrap();
}

/// The shared libraries that `programs` are linked with.
fn libraries(programs: impl Iterator<Item = PathBuf>) -> BTreeSet<PathBuf> {
    let listed = Command::new("ldd").args(programs).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let words = listed.lines().filter(|line| line.starts_with('\t')).flat_map(str::split_whitespace);
    words.filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

fn write(path: &Path) {
    start(path, &[]).finish().unwrap();
}

/// The archive with busybox, without the names in `left_out`.
fn start(path: &Path, left_out: &[&str]) -> Builder<std::fs::File> {
    let mut tar = Builder::new(std::fs::File::create(path).unwrap());
    let busybox = busybox();
    for (folder, mode, owner) in [
        ("bin", 0o755, 0),
        ("dev", 0o755, 0),
        ("etc", 0o755, 0),
        ("home", 0o755, 0),
        ("home/builder", 0o755, BUILDER),
        ("proc", 0o755, 0),
        ("root", 0o700, 0),
        ("run", 0o755, 0),
        ("sys", 0o755, 0),
        ("tmp", 0o1777, 0),
    ] {
        add(&mut tar, folder, (EntryType::Directory, mode, owner), b"");
    }
    add(&mut tar, "etc/passwd", (EntryType::Regular, 0o644, 0), PASSWD.as_bytes());
    add(&mut tar, "etc/group", (EntryType::Regular, 0o644, 0), GROUP.as_bytes());
    add(&mut tar, "bin/busybox", (EntryType::Regular, 0o755, 0), &std::fs::read(&busybox).unwrap());
    let applets = Command::new(&busybox).arg("--list").output().unwrap();
    let applets = String::from_utf8(applets.stdout).unwrap();
    for applet in applets.lines().filter(|applet| *applet != "busybox" && !left_out.contains(applet)) {
        let mut header = header((EntryType::Symlink, 0o777, 0), 0);
        tar.append_link(&mut header, format!("bin/{applet}"), "busybox").unwrap();
    }
    tar
}

fn add(tar: &mut Builder<std::fs::File>, name: &str, kind: (EntryType, u32, u64), content: &[u8]) {
    let mut header = header(kind, content.len() as u64);
    tar.append_data(&mut header, name, content).unwrap();
}

fn header((kind, mode, owner): (EntryType, u32, u64), size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_size(size);
    header
}
