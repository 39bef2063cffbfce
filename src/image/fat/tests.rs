//! What FAT file systems are made of, checked against the format.

use super::directory::dos_time;
use super::*;

#[test]
fn dates_are_those_of_the_calendar() {
    let date = |year: u16, month: u16, day: u16| ((year - 1980) << 9) | (month << 5) | day;
    assert_eq!(dos_time(0), (date(1980, 1, 1), 0));
    assert_eq!(dos_time(951_782_400), (date(2000, 2, 29), 0));
    assert_eq!(dos_time(1_767_225_599), (date(2025, 12, 31), (23 << 11) + (59 << 5) + 29));
}

#[test]
fn the_kind_follows_the_size() {
    let kind = |wanted, mib: u64| Geometry::new(wanted, mib << 20).map(|geometry| geometry.kind).ok();
    assert_eq!(kind(FileSystem::Fat32, 40), Some(Kind::Fat32));
    assert_eq!(kind(FileSystem::Fat32, 8), Some(Kind::Fat16));
    assert_eq!(kind(FileSystem::Fat32, 1), Some(Kind::Fat12));
    assert_eq!(kind(FileSystem::Fat, 100), Some(Kind::Fat16));
    assert_eq!(kind(FileSystem::Fat, 1024), Some(Kind::Fat32));
    assert_eq!(kind(FileSystem::Fat16, 1), None);
}

#[test]
fn entries_of_twelve_bits_share_bytes() {
    assert_eq!(Kind::Fat12.encoded(&[0xff8, 0xfff, 0x003]), [0xf8, 0xff, 0xff, 0x03, 0, 0]);
    assert_eq!(Kind::Fat16.encoded(&[0xfff8, 0x0102]), [0xf8, 0xff, 0x02, 0x01]);
}

#[test]
fn a_long_name_has_a_short_one_beside_it() {
    let mut names = Names::default();
    names.add("BOOTX64.EFI", 1).unwrap();
    assert_eq!(names.slots(), 1);
    names.add("grub.cfg", 2).unwrap();
    assert_eq!(names.slots(), 3);
    names.add("initramfs-6.1.0.img", 3).unwrap();
    assert_eq!(names.slots(), 6);
    assert!(names.add("GRUB.CFG", 4).is_err(), "differs in letter case only");
    assert!(names.add("a:b", 5).is_err());
}
