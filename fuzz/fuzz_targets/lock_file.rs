//! `drydock.lock`: reading, writing what was read, and joining it with itself.
#![no_main]

use drydock::remote::LockFile;

libfuzzer_sys::fuzz_target!(|text: &str| {
    match LockFile::parse(text) {
        Ok(lock) => {
            assert_eq!(LockFile::parse(&lock.to_text()).as_ref(), Ok(&lock));
            assert!(lock.changes(&lock).is_empty());
            let names = lock.repositories.keys().cloned().collect();
            let joined = lock.with(&lock, &names);
            assert_eq!(joined.with(&lock, &names), joined);
            assert_eq!(LockFile::parse(&joined.to_text()).as_ref(), Ok(&joined));
            let packages = || lock.repositories.values().flat_map(|repository| repository.packages.values());
            assert!(packages().count() * 64 <= text.len());
            for package in packages() {
                assert!(!package.location.starts_with('/'));
                assert!(package.location.split('/').all(|part| part != ".."), "{}", package.location);
            }
        }
        Err(wrong) => assert!(wrong.contains(" at line ") || wrong.contains('`'), "{wrong}"),
    }
});
