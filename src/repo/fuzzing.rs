//! The way to the writer of the index for `fuzz/`; there only with `--cfg fuzzing`.

use std::collections::BTreeSet;

use super::{fit, repodata};
use crate::cache::BuiltRpm;
use crate::package::{Requirement, RpmHeader};
use crate::remote::{parse_filelists, parse_primary, unpack};

const MOST: u64 = 1 << 26;

/// Writes an index of `rpm`, whose header is `metadata`, unless that is refused: it says what the header says.
pub fn indexed(rpm: &BuiltRpm, metadata: &rpm::PackageMetadata) {
    let Ok(entry) = fit::entry_of(rpm, metadata) else { return };
    let index = repodata::index(&[&entry]).unwrap_or_else(|error| panic!("{error}"));
    let open = |kind: &str| {
        let packed = index.files.iter().find(|(name, _)| name.contains(kind)).map(|(_, packed)| packed);
        packed.and_then(|packed| unpack(packed, MOST).ok()).unwrap_or_else(|| panic!("no {kind}"))
    };
    let packages = parse_primary(&open("primary")).unwrap_or_else(|error| panic!("{error}"));
    let [package] = packages.as_slice() else { panic!("{packages:?}") };
    says_the_same(&package.header, &rpm.header);
    assert_eq!((&package.location, package.bytes), (&rpm.location(), rpm.bytes));
    let all: BTreeSet<String> = rpm.header.files.iter().filter(|path| path.starts_with('/')).cloned().collect();
    let listed = parse_filelists(&open("filelists"), &all).unwrap_or_else(|error| panic!("{error}"));
    let listed: BTreeSet<String> = listed.into_values().flatten().collect();
    assert_eq!(listed, all);
}

/// Whether the metadata say what the header says. They leave out what a package requires and has itself, and an epoch of 0.
fn says_the_same(index: &RpmHeader, header: &RpmHeader) {
    let plain = |text: String| text.replace(" 0:", " ").replace("-0:", "-");
    let texts = |all: &[Requirement]| all.iter().map(|one| plain(one.to_string())).collect::<BTreeSet<_>>();
    let provides =
        |header: &RpmHeader| header.provides.iter().map(|one| plain(one.to_string())).collect::<BTreeSet<_>>();
    assert_eq!(plain(index.nevra.to_string()), plain(header.nevra.to_string()));
    assert_eq!(provides(index), provides(header));
    assert_eq!(texts(&index.conflicts), texts(&header.conflicts));
    assert_eq!(texts(&index.obsoletes), texts(&header.obsoletes));
    let (written, required) = (texts(&index.requires), texts(&header.requires));
    assert!(written.is_subset(&required), "{written:?} {required:?}");
    // What has no name asks for nothing.
    for left_out in required.difference(&written).filter(|text| !text.is_empty() && !text.starts_with(' ')) {
        assert!(provides(header).contains(left_out) || header.files.contains(left_out), "{left_out}");
    }
}
