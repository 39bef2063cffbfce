//! A toolchain made of packages: built in a Debian root, then again in itself, and used for one more package.

use std::collections::BTreeMap;
use std::path::Path;

use crate::mini::{Mini, stderr, stdout};

/// Digests of the binary RPMs of a stage by file name.
fn rpms_of(place: &Mini, stage: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let folder = place.path("build/stages").join(stage).join("RPMS");
    for arch in ["x86_64", "noarch"] {
        for entry in std::fs::read_dir(folder.join(arch)).into_iter().flatten() {
            let path = entry.unwrap().path();
            let digest = drydock::digest::Sha256::of_file(&path).unwrap();
            found.insert(path.file_name().unwrap().to_string_lossy().into_owned(), digest.to_string());
        }
    }
    found
}

fn images(place: &Mini) -> BTreeMap<String, String> {
    let listed = stdout(&place.run(&["toolchain", "list"]));
    let lines = listed.lines().filter_map(|line| line.split_once('\t'));
    lines.map(|(stage, image)| (stage.to_owned(), image.to_owned())).collect()
}

#[test]
fn a_toolchain_of_packages_builds_itself_again() {
    if std::env::var_os("DRYDOCK_CONTAINER_TESTS").is_none() {
        println!("skipped: set DRYDOCK_CONTAINER_TESTS=1");
        return;
    }
    let place = Mini::of("tests/fixtures/stages");
    everything_is_built_in_its_stage(&place);
    nothing_is_done_twice(&place);
    a_comment_gives_the_same_image(&place);
    what_is_missing_in_the_root_is_told(&place);
    a_package_that_fails_stops_its_stage(&place);
}

fn everything_is_built_in_its_stage(place: &Mini) {
    let first = place.run(&["run", "pipeline.yaml"]);
    let told = stderr(&first);
    assert_eq!(first.status.code(), Some(0), "{told}");
    assert!(told.contains("toolchain toolchain: made, image sha256:"), "{told}");
    assert!(told.contains("toolchain selfhosted: made, image sha256:"), "{told}");
    assert!(!told.contains("belong to no package"), "every file has its package: {told}");
    let names: Vec<String> = rpms_of(place, "toolchain").into_keys().collect();
    let expected = ["answer-devel-1.0-1.test.x86_64.rpm", "ask-1.0-1.test.x86_64.rpm", "tree-1.0-1.test.x86_64.rpm"];
    assert_eq!(names, expected);
    assert_eq!(rpms_of(place, "toolchain"), rpms_of(place, "selfhosted"), "the same bytes in both stages");
    let rpms: Vec<String> = place.rpms().into_iter().map(|(name, _)| name).collect();
    assert_eq!(rpms, ["report-1.0-1.test.noarch.rpm", "report-1.0-1.test.src.rpm"]);

    let inside = |script: &str| {
        let ran = place.run(&["shell", "report", "--", "sh", "-c", script]);
        assert_eq!(ran.status.code(), Some(0), "{script}: {}", stderr(&ran));
        stdout(&ran)
    };
    let listed = inside("rpm -qa --qf '%{NAME}\\n' | sort");
    assert_eq!(listed.lines().collect::<Vec<_>>(), ["answer-devel", "ask", "tree"], "nothing of the base is left");
    assert_eq!(inside("rpm -qaV; true"), "", "all files are as their packages have them");
    assert_eq!(inside("ls /var/lib/dpkg 2>/dev/null; true"), "");
}

fn nothing_is_done_twice(place: &Mini) {
    let before = images(place);
    assert!(before["toolchain"].starts_with("sha256:") && before["selfhosted"].starts_with("sha256:"), "{before:?}");
    let told = stderr(&place.run(&["run", "pipeline.yaml"]));
    assert!(told.contains("toolchain toolchain: up to date") && told.contains("0 built, 1 up to date"), "{told}");
    assert_eq!(told.matches("packages: started").count(), 1, "no package of a stage is looked at: {told}");
    assert_eq!(images(place), before);
}

fn append(path: &Path, text: &str) {
    let old = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, old + text).unwrap();
}

fn a_comment_gives_the_same_image(place: &Mini) {
    let before = images(place);
    append(&place.path("SPECS/toolchain/answer/answer.spec"), "# A comment.\n");
    assert_eq!(images(place)["toolchain"], "not made", "its inputs have changed");
    let again = place.run(&["toolchain", "build"]);
    let told = stderr(&again);
    assert_eq!(again.status.code(), Some(0), "{told}");
    assert!(told.contains("packages: 1 built, 2 up to date"), "the library alone is built again: {told}");
    assert!(told.contains("toolchain toolchain: the same image"), "{told}");
    assert_eq!(images(place), before);
}

fn what_is_missing_in_the_root_is_told(place: &Mini) {
    let spec = place.path("SPECS/toolchain/ask/ask.spec");
    let good = std::fs::read_to_string(&spec).unwrap();
    std::fs::write(&spec, good.replace("BuildRequires:  gcc", "BuildRequires:  gcc\nRequires: question")).unwrap();
    let failed = place.run(&["toolchain", "build"]);
    let told = stderr(&failed);
    assert_eq!(failed.status.code(), Some(1), "{told}");
    assert!(told.contains("the packages of stage `toolchain` do not make a root of their own"), "{told}");
    assert!(told.contains("question") && told.contains("ask"), "{told}");
    std::fs::write(&spec, good).unwrap();
}

fn a_package_that_fails_stops_its_stage(place: &Mini) {
    let spec = place.path("SPECS/toolchain/answer/answer.spec");
    let good = std::fs::read_to_string(&spec).unwrap();
    std::fs::write(&spec, good.replace("%build", "%build\nfalse")).unwrap();
    let failed = place.run(&["run", "pipeline.yaml"]);
    let told = stderr(&failed);
    assert_eq!(failed.status.code(), Some(1), "{told}");
    assert!(told.contains("stage `toolchain` cannot be made: 2 of 3 packages have no RPMs"), "{told}");
    assert!(told.contains("ask: blocked by answer") && !told.contains("toolchain selfhosted"), "{told}");
    std::fs::write(&spec, good).unwrap();
    let mended = place.run(&["run", "pipeline.yaml"]);
    assert_eq!(mended.status.code(), Some(0), "{}", stderr(&mended));
    assert!(stderr(&mended).contains("toolchain toolchain: up to date"), "{}", stderr(&mended));
}
