//! Metadata of repositories: unpacking, `repomd.xml`, `primary.xml`, `filelists.xml`.
#![no_main]

use std::collections::BTreeSet;

use drydock::package::Requirement;
use drydock::remote::{MetadataError, PrimaryPackage, parse_filelists, parse_primary, parse_repomd, unpack};

const MOST: u64 = 1 << 20;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(open) = unpack(bytes, MOST) else { return };
    assert!(open.len() as u64 <= MOST);
    match parse_repomd(&open) {
        Ok(repomd) => {
            assert!(repomd.files.contains_key("primary"));
            assert!(repomd.files.len() * 64 <= open.len());
            repomd.files.values().for_each(|file| is_below(&file.location));
        }
        Err(error) => has_place(&error, &open),
    }
    match parse_primary(&open) {
        Ok(packages) => {
            assert!(packages.len() * 128 <= open.len());
            packages.iter().for_each(|package| is_right(package, open.len()));
        }
        Err(error) => has_place(&error, &open),
    }
    let wanted = BTreeSet::from(["/usr/bin/a".to_owned(), "/etc".to_owned()]);
    match parse_filelists(&open, &wanted) {
        Ok(found) => {
            assert!(found.len() * 64 <= open.len());
            assert!(found.values().flatten().all(|path| wanted.contains(path)));
        }
        Err(error) => has_place(&error, &open),
    }
});

fn is_below(location: &str) {
    assert!(!location.is_empty() && !location.starts_with('/') && !location.contains("://"), "{location}");
    assert!(location.split('/').all(|part| part != ".."), "{location}");
}

fn is_right(package: &PrimaryPackage, bytes: usize) {
    let header = &package.header;
    is_below(&package.location);
    assert!(!header.nevra.name.is_empty() && !header.nevra.arch.is_empty());
    let entries = header.provides.len() + header.requires.len() + header.conflicts.len() + header.obsoletes.len();
    assert!((entries + header.files.len()) * 7 <= bytes);
    for requirement in header.requires.iter().filter(|one| !matches!(one, Requirement::Simple(_))) {
        assert_eq!(requirement.to_string().parse::<Requirement>().as_ref().ok(), Some(requirement));
    }
}

fn has_place(error: &MetadataError, open: &[u8]) {
    let lines = open.split(|byte| *byte == b'\n').count();
    assert!((1..=lines).contains(&error.line) && !error.wrong.is_empty(), "{error}");
}
