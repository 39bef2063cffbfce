//! A toolchain made of packages: built in a Debian root, then again in itself, and used for one more package.

use std::collections::BTreeMap;
use std::path::Path;

use crate::mini::{Mini, stderr, stdout};
use crate::registry::{Registry, keys};

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
    what_is_written_otherwise_gives_the_same_image(&place);
    stages_are_compared_and_built_again(&place);
    another_project_pulls_what_this_one_pushed(&place);
    rpms_of_others_give_the_same_image(&place);
    a_comment_gives_the_same_image(&place);
    what_is_missing_in_the_root_is_told(&place);
    a_scriptlet_that_fails_stops_its_stage(&place);
    a_package_that_fails_stops_its_stage(&place);
}

fn everything_is_built_in_its_stage(place: &Mini) {
    let first = place.run(&["run", "pipeline.yaml"]);
    let told = stderr(&first);
    assert_eq!(first.status.code(), Some(0), "{told}");
    assert!(told.contains("toolchain toolchain: made, image sha256:"), "{told}");
    assert!(told.contains("toolchain selfhosted: made, image sha256:"), "{told}");
    assert!(!told.contains("belong to no package"), "every file has its package: {told}");
    let store = drydock::oci::Store::open(place.path("build/oci")).unwrap();
    let made = store.referrers(images(place)["bootstrap"].parse().unwrap()).unwrap();
    assert_eq!(made.len(), 1, "how it was made; its packages are Debian's");
    let statement = String::from_utf8(store.artifact_content(made[0].manifest).unwrap()).unwrap();
    for part in ["slsa.dev/provenance/v1", "debootstrap bookworm", "stages.containerfile", "gcc libc6-dev"] {
        assert!(statement.contains(part), "{statement}");
    }
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
    // The kernel's own file systems belong to nobody in a user namespace.
    let changed = inside("rpm -qaV | grep -v -e ' /proc$' -e ' /sys$'; true");
    assert_eq!(changed, "", "all files are as their packages have them");
    assert_eq!(inside("ls /var/lib/dpkg 2>/dev/null; true"), "");
}

fn nothing_is_done_twice(place: &Mini) {
    let before = images(place);
    assert!(before["toolchain"].starts_with("sha256:") && before["selfhosted"].starts_with("sha256:"), "{before:?}");
    let told = stderr(&place.run(&["run", "pipeline.yaml"]));
    assert!(told.contains("toolchain selfhosted: up to date") && told.contains("0 built, 1 up to date"), "{told}");
    assert!(!told.contains("toolchain bootstrap"), "what is below is not looked at: {told}");
    assert_eq!(told.matches("packages: started").count(), 1, "no package of a stage is looked at: {told}");
    assert_eq!(images(place), before);
}

fn what_is_written_otherwise_gives_the_same_image(place: &Mini) {
    let (path, before) = (place.path("stages.containerfile"), images(place));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("FROM ${BASE}", "FROM $BASE")).unwrap();
    let made = place.run(&["toolchain", "build", "bootstrap"]);
    assert!(stderr(&made).contains("toolchain bootstrap: made"), "{}", stderr(&made));
    assert_eq!(images(place)["bootstrap"], before["bootstrap"]);
    std::fs::write(&path, text).unwrap();
    assert_eq!(images(place), before);
}

fn stages_are_compared_and_built_again(place: &Mini) {
    let compared = place.run(&["toolchain", "compare", "toolchain", "selfhosted"]);
    assert_eq!(compared.status.code(), Some(0), "{}", stderr(&compared));
    assert!(stdout(&compared).ends_with(" identical, 0 differ\n"), "{}", stdout(&compared));
    let verified = place.run(&["toolchain", "verify", "selfhosted", "ask"]);
    assert_eq!(verified.status.code(), Some(0), "{}", stderr(&verified));
    assert_eq!(stdout(&verified), "2 identical, 0 differ\n");
    let wrong = place.run(&["toolchain", "compare", "toolchain", "bootstrap"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", stderr(&wrong));
    assert!(stderr(&wrong).contains("stage `bootstrap` is not made of packages"), "{}", stderr(&wrong));
}

fn another_project_pulls_what_this_one_pushed(place: &Mini) {
    let (registry, folder) = (Registry::start(), tempfile::tempdir().unwrap());
    let (name, (key, public)) = (registry.reference(""), keys(folder.path()));
    let (key, public) = (key.to_str().unwrap(), public.to_str().unwrap());
    let push = ["toolchain", "push", "selfhosted", "--registry", &name, "--sign-key", key];
    // It does not wait for another command that works on the project.
    let working = std::fs::File::open(place.path("build/state/lock")).unwrap();
    working.lock().unwrap();
    for expected in ["blobs, ", "0 blobs, 0.0 MB"] {
        let pushed = place.run(&push);
        assert_eq!(pushed.status.code(), Some(0), "{}", stderr(&pushed));
        assert!(stderr(&pushed).contains(expected), "{}", stderr(&pushed));
    }
    drop(working);

    let other = Mini::of("tests/fixtures/stages");
    let stranger = tempfile::tempdir().unwrap();
    let (_, stranger) = keys(stranger.path());
    let wary =
        other.run(&["toolchain", "build", "--registry", &name, "--require-signature", stranger.to_str().unwrap()]);
    assert_eq!(wary.status.code(), Some(2), "{}", stderr(&wary));
    assert!(stderr(&wary).contains("by another key"), "{}", stderr(&wary));
    let pulling = ["run", "pipeline.yaml", "--registry", &name, "--require-signature", public];
    let told = stderr(&other.run(&pulling));
    assert!(told.contains("toolchain selfhosted: pulled, image sha256:"), "{told}");
    assert!(!told.contains("toolchain bootstrap") && !told.contains("toolchain toolchain"), "{told}");
    assert_eq!(images(&other)["selfhosted"], images(place)["selfhosted"]);
    assert_eq!(other.rpms(), place.rpms(), "the same toolchain gives the same packages");
    let found = drydock::oci::Store::open(other.path("build/oci")).unwrap();
    let image = images(&other)["selfhosted"].parse().unwrap();
    // Both stages have the same bytes, and so this image was made in two ways.
    let about = found.referrers(image).unwrap();
    assert_eq!(about.len(), 2 * 2, "the list of packages and how the image was made, as each stage: {about:?}");

    // What is at hand needs no registry, and is used only while its signature holds.
    drop(registry);
    // The lock file of the machine that made the stages says what these start from, which this one does not need.
    let lock = |stage: &str, digest: &str| {
        let image = format!(r#""{stage}": {{"base": "as locked", "digest": "{digest}"}}"#);
        let text = format!(r#"{{"version": 1, "images": {{{image}}}, "repositories": {{}}}}"#);
        std::fs::write(other.path("drydock.lock"), text).unwrap();
        other.run(&[&pulling[..], &["--locked"]].concat())
    };
    let (selfhosted, nothing) = (images(place)["selfhosted"].clone(), format!("sha256:{}", "0".repeat(64)));
    for (stage, digest) in [("bootstrap", &nothing), ("selfhosted", &selfhosted)] {
        let locked = lock(stage, digest);
        assert_eq!(locked.status.code(), Some(0), "{}", stderr(&locked));
    }
    let changed = lock("selfhosted", &nothing);
    assert_eq!(changed.status.code(), Some(2), "{}", stderr(&changed));
    assert!(stderr(&changed).contains("stage `selfhosted`: "), "{}", stderr(&changed));
    std::fs::remove_file(other.path("drydock.lock")).unwrap();
    let told = stderr(&other.run(&pulling));
    assert!(told.contains("toolchain selfhosted: up to date") && told.contains("0 built, 1 up to date"), "{told}");
}

fn rpms_of_others_give_the_same_image(place: &Mini) {
    let folder = place.path("build/stages/toolchain/RPMS");
    let listed = "answer-devel-1.0-1.test.x86_64.rpm\nask-1.0-1.test.x86_64.rpm\ntree-1.0-1.test.x86_64.rpm\n";
    std::fs::write(place.path("manifest.txt"), listed).unwrap();
    std::fs::copy("tests/fixtures/remote/key-a.asc", place.path("key.asc")).unwrap();
    let text = std::fs::read_to_string(place.path("pipeline.yaml")).unwrap();
    let with_rpms = |more: &str| {
        let stage =
            format!("  - stage: taken\n    from: bootstrap\n    rpms: {{ manifest: manifest.txt, {more} }}\npackages:");
        std::fs::write(
            place.path("pipeline.yaml"),
            text.replace("packages:\n  toolchain: selfhosted", &(stage + "\n  toolchain: selfhosted")),
        )
        .unwrap();
        place.run(&["toolchain", "build", "taken"])
    };
    let unsigned = with_rpms(&format!("folders: [{}], gpg-keys: [key.asc]", folder.display()));
    let told = stderr(&unsigned);
    assert_eq!(unsigned.status.code(), Some(2), "{told}");
    assert!(told.contains("3 RPMs of stage `taken` cannot be had") && told.contains("it is not signed"), "{told}");
    assert!(told.contains("`ask-1.0-1.test.x86_64.rpm`") && told.contains("`tree-1.0-1.test.x86_64.rpm`"), "{told}");
    let made = with_rpms(&format!("folders: [{}], gpg-check: false", folder.display()));
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let made = images(place);
    assert_eq!(made["taken"], made["toolchain"]);
    std::fs::write(place.path("pipeline.yaml"), text).unwrap();
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

fn a_scriptlet_that_fails_stops_its_stage(place: &Mini) {
    let log = std::fs::read_to_string(place.path("build/logs/toolchain/toolchain.log")).unwrap();
    assert!(log.contains("ask was heard"), "{log}");
    let spec = place.path("SPECS/toolchain/ask/ask.spec");
    let good = std::fs::read_to_string(&spec).unwrap();
    std::fs::write(&spec, good.replace("%files", "%posttrans -p <lua>\nerror('wrong')\n\n%files")).unwrap();
    let failed = place.run(&["toolchain", "build"]);
    let told = stderr(&failed);
    assert_eq!(failed.status.code(), Some(1), "{told}");
    assert!(told.contains("scriptlet(s) failed") && told.contains("wrong"), "{told}");
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
    assert!(stderr(&mended).contains("toolchain selfhosted: up to date"), "{}", stderr(&mended));
}
