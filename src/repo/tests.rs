//! The repository's promises, on small RPMs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rpm::{BuildConfig, FileOptions, PackageBuilder};
use rustix::fs::{CWD, FileType, Mode};

use super::*;
use crate::cache::{BuildTimes, CheckOutcome, History, LastBuild, NewResult, Store, describe};
use crate::plan::BuildInputs;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn layout(&self) -> Layout {
        let path = |name: &str| self.folder.path().join(name);
        Layout::new(path("build"), path("out"), path("cache"))
    }

    fn repo(&self) -> Repo {
        Repo::open(&self.layout()).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("out/RPMS").join(name)
    }

    /// A result with one noarch package of each of `names`.
    fn result(&self, key: &str, version: &str, names: &[&str]) -> StoredResult {
        let folder = self.folder.path().join("build/store").join(key);
        fs::create_dir_all(folder.join("rpms")).unwrap();
        let build = |name: &&str| {
            let path = folder.join("rpms").join(format!("{name}-{version}-1.noarch.rpm"));
            let package = PackageBuilder::new(name, version, "MIT", "noarch", "a test")
                .using_config(BuildConfig::v4().source_date(100))
                .with_file_contents(key, FileOptions::new(format!("/usr/share/{name}")).permissions(0o644))
                .unwrap()
                .build()
                .unwrap();
            package.write_file(&path).unwrap();
            describe(&path).unwrap()
        };
        let rpms = names.iter().map(build).collect();
        let digest = Sha256::of_bytes(key.as_bytes());
        let times = BuildTimes::default();
        StoredResult { key: digest, folder, rpms, check: CheckOutcome::Off, times, log: digest }
    }

    /// Locations in the index that dnf would read.
    fn indexed(&self) -> Vec<String> {
        let reader = rpmrepo_metadata::RepositoryReader::new_from_directory(&self.path("")).unwrap();
        let packages = reader.iter_packages().unwrap().map(|package| package.unwrap().location_href().to_owned());
        let mut locations: Vec<String> = packages.collect();
        locations.sort();
        for location in &locations {
            assert!(self.path(location).exists(), "{location} is indexed and missing");
        }
        locations
    }
}

fn pipe(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// The result of a build of the spec `name`, in the store and known as its newest.
fn stored(place: &Place, name: &str) -> StoredResult {
    let made = place.result(name, "1", &[name]);
    let (log, key) = (place.folder.path().join("log"), made.key);
    fs::write(&log, "").unwrap();
    let inputs = BuildInputs {
        key_version: 1,
        spec: name.to_owned(),
        spec_digest: key,
        sources: BTreeMap::new(),
        macros: BTreeMap::new(),
        macro_files: BTreeMap::new(),
        image: key,
        given: BTreeSet::new(),
        arch: "x86_64".to_owned(),
        buildroot: BTreeMap::new(),
        check: false,
        exceptions: BTreeSet::new(),
    };
    let (folder, rpms, check, times) = (&made.folder.join("rpms"), &made.rpms, made.check, made.times);
    let new = NewResult { key, inputs: &inputs, folder, rpms, log: &log, check, times };
    let result = Store::open(&place.layout()).unwrap().add(&new).unwrap();
    History::new(&place.layout()).set_last(name, &LastBuild { key, inputs, check, times }).unwrap();
    result
}

#[test]
fn a_new_build_takes_the_place_of_the_older_one() {
    let place = Place::new();
    let repo = place.repo();
    let old = place.result("k1", "1", &["a", "a-devel"]);
    assert_eq!(repo.publish(&[("a", &old)]).unwrap(), Published::Changed);
    assert_eq!(repo.publish(&[("a", &old)]).unwrap(), Published::Unchanged);
    assert_eq!(repo.publish(&[("b", &place.result("k2", "1", &["b"]))]).unwrap(), Published::Changed);
    assert_eq!(
        place.indexed(),
        ["noarch/a-1-1.noarch.rpm", "noarch/a-devel-1-1.noarch.rpm", "noarch/b-1-1.noarch.rpm"]
    );

    let reopened = place.repo();
    assert_eq!(reopened.packages(), repo.packages());
    assert_eq!(reopened.publish(&[("a", &old)]).unwrap(), Published::Unchanged);
    reopened.publish(&[("a", &place.result("k3", "2", &["a"]))]).unwrap();
    assert_eq!(place.indexed(), ["noarch/a-2-1.noarch.rpm", "noarch/b-1-1.noarch.rpm"]);
    assert!(!place.path("noarch/a-1-1.noarch.rpm").exists());
    assert!(reopened.foreign().unwrap().is_empty());

    reopened.remove("a").unwrap();
    assert_eq!(place.indexed(), ["noarch/b-1-1.noarch.rpm"]);
    assert_eq!(place.repo().packages().len(), 1);
}

#[test]
fn the_same_name_with_other_content_is_replaced() {
    let place = Place::new();
    let repo = place.repo();
    repo.publish(&[("a", &place.result("k1", "1", &["a"]))]).unwrap();
    let again = place.result("k2", "1", &["a"]);
    repo.publish(&[("a", &again)]).unwrap();
    assert_eq!(Sha256::of_file(&place.path("noarch/a-1-1.noarch.rpm")).unwrap(), again.rpms[0].sha256);
    assert_eq!(place.indexed(), ["noarch/a-1-1.noarch.rpm"]);
}

#[test]
fn what_the_user_removes_or_changes_comes_back() {
    let place = Place::new();
    let (a, b) = (place.result("k1", "1", &["a"]), place.result("k2", "1", &["b"]));
    let both = [("a", &a), ("b", &b)];
    place.repo().publish(&both).unwrap();
    let index = fs::read(place.path("repodata/repomd.xml")).unwrap();
    let intact = || {
        assert_eq!(place.repo().publish(&both).unwrap(), Published::Changed);
        assert_eq!(place.repo().publish(&both).unwrap(), Published::Unchanged);
        assert_eq!(fs::read(place.path("repodata/repomd.xml")).unwrap(), index);
        assert_eq!(place.indexed(), ["noarch/a-1-1.noarch.rpm", "noarch/b-1-1.noarch.rpm"]);
    };

    fs::remove_dir_all(place.path("")).unwrap();
    intact();
    fs::remove_file(place.path("noarch/b-1-1.noarch.rpm")).unwrap();
    fs::write(place.path("noarch/b-1-1.noarch.rpm"), "no rpm").unwrap();
    intact();
    fs::write(place.path("repodata/repomd.xml"), "").unwrap();
    intact();
    for name in ["primary", "filelists", "other"] {
        let entries = fs::read_dir(place.path("repodata")).unwrap().map(|entry| entry.unwrap().path());
        for path in entries.filter(|path| path.to_string_lossy().contains(name)) {
            let mut bytes = fs::read(&path).unwrap();
            bytes[7] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
        intact();
    }
    fs::remove_dir_all(place.folder.path().join("build/state")).unwrap();
    intact();
}

#[test]
fn a_spec_that_is_gone_with_its_files_is_forgotten() {
    let place = Place::new();
    let repo = place.repo();
    for name in ["a", "b", "c"] {
        repo.publish(&[(name, &place.result(name, "1", &[name]))]).unwrap();
    }
    for name in ["a", "b"] {
        fs::remove_file(place.path(&format!("noarch/{name}-1-1.noarch.rpm"))).unwrap();
    }
    repo.forget_missing(|spec| spec != "a").unwrap();
    let specs = |repo: &Repo| repo.packages().into_iter().map(|rpm| rpm.spec).collect::<Vec<_>>();
    assert_eq!(specs(&repo), ["a", "c"], "that of `a` can be made again, that of `c` is there");
    assert_eq!(specs(&place.repo()), ["a", "c"]);
    assert_eq!(place.indexed(), ["noarch/c-1-1.noarch.rpm"]);

    fs::remove_dir_all(place.path("")).unwrap();
    place.repo().forget_missing(|_| true).unwrap();
    assert_eq!(specs(&place.repo()), [""; 0]);
}

#[test]
fn what_stands_in_the_way_is_replaced() {
    let place = Place::new();
    let a = place.result("k1", "1", &["a"]);
    let at = |name: &str| place.path(name);
    let is_made_again = || {
        assert_eq!(place.repo().publish(&[("a", &a)]).unwrap(), Published::Changed);
        assert_eq!(place.repo().publish(&[("a", &a)]).unwrap(), Published::Unchanged);
        assert_eq!(Sha256::of_file(&at("noarch/a-1-1.noarch.rpm")).unwrap(), a.rpms[0].sha256);
        assert_eq!(place.indexed(), ["noarch/a-1-1.noarch.rpm"]);
    };
    is_made_again();
    for name in ["noarch/a-1-1.noarch.rpm", "repodata/repomd.xml"] {
        fs::remove_file(at(name)).unwrap();
        fs::create_dir_all(at(name).join("full")).unwrap();
        is_made_again();
        fs::remove_file(at(name)).unwrap();
        pipe(&at(name));
        is_made_again();
    }
    for hidden in ["noarch/.new-a-1-1.noarch.rpm", "repodata/.new-repomd.xml"] {
        fs::remove_file(at("noarch/a-1-1.noarch.rpm")).unwrap();
        pipe(&at(hidden));
        is_made_again();
        fs::remove_file(at("noarch/a-1-1.noarch.rpm")).unwrap();
        fs::create_dir_all(at(hidden).join("full")).unwrap();
        is_made_again();
    }
}

#[test]
fn a_damaged_record_is_made_again_and_told_when_it_cannot_be() {
    let place = Place::new();
    let (a, b) = (stored(&place, "a"), place.result("k2", "1", &["b"]));
    place.repo().publish(&[("a", &a)]).unwrap();
    let record = place.folder.path().join("build/state/published/a.json");
    let whole = fs::read(&record).unwrap();
    fs::write(&record, &whole[..20]).unwrap();
    let repo = place.repo();
    assert_eq!(repo.lost(), []);
    repo.publish(&[("b", &b)]).unwrap();
    assert_eq!(place.indexed(), ["noarch/a-1-1.noarch.rpm", "noarch/b-1-1.noarch.rpm"]);
    assert_eq!(repo.foreign().unwrap(), Vec::<PathBuf>::new());
    assert_eq!(fs::read(&record).unwrap(), whole);

    fs::write(&record, &whole[..20]).unwrap();
    fs::remove_file(place.path("noarch/a-1-1.noarch.rpm")).unwrap();
    fs::write(place.path("noarch/a-1-1.noarch.rpm"), "changed").unwrap();
    let repo = place.repo();
    assert_eq!(repo.lost(), [(record, "a".to_owned())], "these are not the RPMs of the newest result");
    repo.publish(&[("a", &a)]).unwrap();
    assert_eq!(repo.lost(), []);
    assert_eq!(place.indexed(), ["noarch/a-1-1.noarch.rpm", "noarch/b-1-1.noarch.rpm"]);
}

#[test]
fn what_has_the_name_of_a_record_and_is_no_file_is_replaced() {
    let place = Place::new();
    let (a, b) = (stored(&place, "a"), place.result("k2", "1", &["b"]));
    place.repo().publish(&[("a", &a), ("b", &b)]).unwrap();
    let path = |name: &str| place.folder.path().join("build/state").join(name);
    for record in ["published/a.json", "repodata.json"] {
        let whole = fs::read(path(record)).unwrap();
        let put: [&dyn Fn(&Path); 3] = [
            &|path| fs::create_dir_all(path.join("in/side")).unwrap(),
            &|path| rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap(),
            &|path| std::os::unix::fs::symlink("/nowhere/at/all", path).unwrap(),
        ];
        for put in put {
            fs::remove_file(path(record)).unwrap();
            put(&path(record));
            place.repo().publish(&[("a", &a), ("b", &b)]).unwrap();
            assert_eq!(fs::read(path(record)).unwrap(), whole, "{record}");
            assert_eq!(place.indexed(), ["noarch/a-1-1.noarch.rpm", "noarch/b-1-1.noarch.rpm"]);
        }
    }
}

#[test]
fn what_is_no_folder_where_results_belong_is_the_users_and_stays() {
    let told = |name: &str, put: &dyn Fn(&Path)| {
        let place = Place::new();
        let path = place.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        put(&path);
        let a = place.result("k1", "1", &["a"]);
        let error = Repo::open(&place.layout()).and_then(|repo| repo.publish(&[("a", &a)])).unwrap_err();
        assert!(path.symlink_metadata().is_ok() && error.hint().unwrap().contains("`--out-dir`"));
        let RepoError::File { source, .. } = error else { panic!("{error}") };
        assert!(source.is_usage());
        source.to_string().replace(&place.folder.path().display().to_string(), "")
    };
    let file = |path: &Path| fs::write(path, "mine").unwrap();
    for name in ["/out", "/out/RPMS", "/out/RPMS/noarch", "/out/RPMS/repodata"] {
        let expected = format!("`{name}` is a file, and a folder of results must be there");
        assert_eq!(told(name.trim_start_matches('/'), &file), expected);
    }
    let link = |path: &Path| std::os::unix::fs::symlink("nowhere", path).unwrap();
    let expected = "`/out/RPMS/noarch` is a link that leads nowhere, and a folder of results must be there";
    assert_eq!(told("out/RPMS/noarch", &link), expected);
}

#[test]
fn an_interrupted_publication_is_done_again() {
    let place = Place::new();
    let a = place.result("k1", "1", &["a"]);
    place.repo().publish(&[("a", &a)]).unwrap();
    let newer = place.result("k2", "2", &["a"]);
    let record = place.folder.path().join("build/state/published/a.json");
    let before = fs::read(&record).unwrap();
    place.repo().publish(&[("a", &newer)]).unwrap();
    // As if the process had been killed before the record was written.
    fs::write(&record, before).unwrap();
    fs::hard_link(a.path(&a.rpms[0]), place.path("noarch/a-1-1.noarch.rpm")).unwrap();

    let repo = place.repo();
    assert_eq!(repo.publish(&[("a", &newer)]).unwrap(), Published::Changed);
    assert_eq!(place.indexed(), ["noarch/a-2-1.noarch.rpm"]);
    assert!(!place.path("noarch/a-1-1.noarch.rpm").exists());
}

#[test]
fn the_index_of_the_same_rpms_has_the_same_bytes() {
    let (first, second) = (Place::new(), Place::new());
    for (place, order) in [(&first, ["a", "b"]), (&second, ["b", "a"])] {
        for name in order {
            place.repo().publish(&[(name, &place.result(name, "1", &[name]))]).unwrap();
        }
    }
    let index = |place: &Place| fs::read(place.path("repodata/repomd.xml")).unwrap();
    assert_eq!(index(&first), index(&second));
}

#[test]
fn files_of_others_are_left_alone() {
    let place = Place::new();
    let repo = place.repo();
    repo.publish(&[("a", &place.result("k1", "1", &["a"]))]).unwrap();
    let foreign = place.path("noarch/theirs.rpm");
    fs::write(&foreign, "x").unwrap();
    repo.publish(&[("b", &place.result("k2", "1", &["b"]))]).unwrap();
    assert_eq!(repo.foreign().unwrap(), std::slice::from_ref(&foreign));
    assert_eq!(place.indexed().len(), 2);
}

#[test]
fn a_file_belongs_to_one_spec_until_that_lets_it_go() {
    let place = Place::new();
    let repo = place.repo();
    let (first, second) = (place.result("k1", "1", &["a"]), place.result("k2", "1", &["a"]));
    repo.publish(&[("a", &first)]).unwrap();
    let error = repo.publish(&[("b", &second)]).unwrap_err();
    assert_eq!(error.to_string(), "`b.spec` and `a.spec` both make `noarch/a-1-1.noarch.rpm`");

    let later = place.repo();
    assert!(matches!(later.publish(&[("b", &second)]), Err(RepoError::Taken { .. })), "in any run");
    assert_eq!(Sha256::of_file(&place.path("noarch/a-1-1.noarch.rpm")).unwrap(), first.rpms[0].sha256);

    later.let_go(|spec, nevra| spec == "a" && nevra.name == "a");
    assert_eq!(place.indexed(), ["noarch/a-1-1.noarch.rpm"], "it is there until another takes its place");
    later.publish(&[("b", &second)]).unwrap();
    assert_eq!(Sha256::of_file(&place.path("noarch/a-1-1.noarch.rpm")).unwrap(), second.rpms[0].sha256);
    assert_eq!(later.packages().len(), 1);
    assert_eq!(place.repo().packages(), later.packages());
    assert_eq!(place.indexed(), ["noarch/a-1-1.noarch.rpm"]);
}

#[test]
fn a_changed_stored_rpm_is_not_published() {
    let place = Place::new();
    let result = place.result("k1", "1", &["a"]);
    fs::write(result.path(&result.rpms[0]), "x").unwrap();
    assert!(matches!(place.repo().publish(&[("a", &result)]), Err(RepoError::Damaged { .. })));
    assert!(!place.path("noarch/a-1-1.noarch.rpm").exists());
}
