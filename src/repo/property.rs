//! The index that is written says the same as the RPMs that it is of.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rpm::{BuildConfig, Dependency, PackageBuilder};

use super::record::FileRecord;
use super::repodata::{entry, index};
use crate::cache::BuiltRpm;
use crate::digest::Sha256;
use crate::package::{Requirement, RpmHeader, header};
use crate::remote::{parse_filelists, parse_primary, parse_repomd, unpack};

/// What a small RPM is made of: name, version, epoch, what it requires, and a word for its summary and paths.
type Sketch = (String, String, u32, Vec<(String, u8, String)>, String);

fn sketches() -> impl Strategy<Value = Vec<Sketch>> {
    let dependency = ("[a-z]{1,3}(\\([a-z<>&\"']{1,4}\\))?", 0_u8..4, "([0-9]:)?[0-9][0-9a-z.~^]{0,3}(-[0-9])?");
    let word = "[a-z &<>\"'é]{1,6}[a-z]";
    let sketch =
        ("[a-z][a-z0-9+]{0,4}", "[0-9][0-9a-z.~^]{0,3}", 0_u32..3, prop::collection::vec(dependency, 0..4), word);
    prop::collection::vec(sketch, 1..4)
}

fn rpm((name, version, epoch, dependencies, word): &Sketch) -> Vec<u8> {
    let mut builder = PackageBuilder::new(name, version, "MIT", "noarch", word);
    builder.epoch(*epoch).release("1").using_config(BuildConfig::v4().source_date(100));
    builder.requires(Dependency::any("(a or (b if c))"));
    for (name, comparison, version) in dependencies {
        builder.requires(match comparison {
            0 => Dependency::any(name),
            1 => Dependency::less(name, version),
            2 => Dependency::eq(name, version),
            _ => Dependency::greater_eq(name, version),
        });
    }
    let options = rpm::FileOptions::new(format!("/etc/{word}"));
    builder.with_file_contents("", options).unwrap();
    let mut bytes = Vec::new();
    builder.build().unwrap().write(&mut bytes).unwrap();
    bytes
}

/// All that the metadata tell of an RPM; they say no epoch where its header says 0.
fn told(header: &RpmHeader) -> (String, BTreeSet<String>, Vec<BTreeSet<String>>, Vec<String>) {
    let plain = |text: String| text.replace(" 0:", " ").replace("-0:", "-");
    let texts = |all: &[Requirement]| all.iter().map(|one| plain(one.to_string())).collect();
    let provides = header.provides.iter().map(|one| plain(one.to_string())).collect();
    let lists = [&header.requires, &header.conflicts, &header.obsoletes].map(|all| texts(all)).to_vec();
    (plain(header.nevra.to_string()), provides, lists, header.files.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_index_reads_back_as_the_rpms(sketches in sketches()) {
        let mut headers = Vec::new();
        let mut entries = Vec::new();
        for (at, sketch) in sketches.iter().enumerate() {
            let bytes = rpm(sketch);
            let metadata = header::metadata(&mut bytes.as_slice()).unwrap();
            let header = header::read(&mut bytes.as_slice()).unwrap();
            let (sha256, file) = (Sha256::of_bytes(&bytes), format!("{at}.rpm"));
            let size = bytes.len() as u64;
            let rpm = BuiltRpm { file, sha256, bytes: size, content: sha256, build_time: 7, header: header.clone() };
            entries.push(entry(&rpm, &metadata).unwrap());
            let record = FileRecord { location: format!("noarch/{at}.rpm"), rpm };
            headers.push((header, record));
        }
        let written = index(&entries.iter().collect::<Vec<_>>()).unwrap();
        let repomd = parse_repomd(&written.repomd).unwrap();
        let open = |kind: &str| {
            let file = &repomd.files[kind];
            let (_, packed) = written.files.iter().find(|(name, _)| file.location.ends_with(name)).unwrap();
            assert_eq!((file.checksum.is_of(packed), Some(packed.len() as u64)), (true, file.bytes));
            let open = unpack(packed, file.open_bytes.unwrap()).unwrap();
            assert_eq!(file.open_bytes, Some(open.len() as u64));
            open
        };
        let packages = parse_primary(&open("primary")).unwrap();
        prop_assert_eq!(packages.len(), headers.len());
        let files = headers.iter().flat_map(|(header, _)| header.files.clone()).collect();
        let filelists = parse_filelists(&open("filelists"), &files).unwrap();
        for (package, (header, record)) in packages.iter().zip(&headers) {
            prop_assert_eq!(told(&package.header), told(header));
            prop_assert_eq!((&package.location, package.bytes), (&record.location, record.rpm.bytes));
            prop_assert_eq!((package.checksum.sha256(), package.file_time), (Some(record.rpm.sha256), Some(7)));
            prop_assert_eq!(filelists.get(&package.checksum.digest()), Some(&header.files));
        }
    }
}
