//! The image of the contract suite: one static busybox, the users `root` and `builder`, nothing else. Loads in no time.

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

fn busybox() -> PathBuf {
    let places = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from);
    places.into_iter().find(|path| path.exists()).expect("busybox is missing: apt-get install busybox-static")
}

fn write(path: &Path) {
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
    for applet in String::from_utf8(applets.stdout).unwrap().lines().filter(|&applet| applet != "busybox") {
        let mut header = header((EntryType::Symlink, 0o777, 0), 0);
        tar.append_link(&mut header, format!("bin/{applet}"), "busybox").unwrap();
    }
    tar.finish().unwrap();
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
