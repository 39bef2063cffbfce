//! What a spec may make and publish, and what becomes of results that are damaged.

use super::learned::write_spec;
use super::mini::{Mini, stderr, stdout};

/// The lines of a spec that puts `text` into a file of its own.
fn file_with(name: &str, text: &str) -> String {
    format!(
        "%install\nmkdir -p %{{buildroot}}/usr/share\necho {text} > %{{buildroot}}/usr/share/{name}\n\
         %files\n/usr/share/{name}"
    )
}

fn run(mini: &Mini, arguments: &[&str]) -> (Option<i32>, String) {
    let ran = mini.run(arguments);
    (ran.status.code(), stderr(&ran))
}

fn remove_specs(mini: &Mini, names: &[&str]) {
    for name in names {
        std::fs::remove_dir_all(mini.path("SPECS").join(name)).unwrap();
    }
}

/// `sly` declares a package only where it is built, in the place of another spec's.
pub(super) fn a_spec_makes_only_what_it_declares(mini: &Mini) {
    let before = mini.rpms();
    let inside = "%if %(test -d /drydock/sources && echo 1 || echo 0)";
    let package = "%package -n tables\nSummary: Sly\nVersion: 99\n%description -n tables\nSly.\n%files -n tables";
    write_spec(mini, "sly", "", &format!("{}\n{inside}\n{package}\n%endif", file_with("sly", "sly")));
    for _ in 0..2 {
        let (code, told) = run(mini, &["build", "sly", "tables"]);
        assert_eq!(code, Some(1), "{told}");
        assert!(
            told.contains("FAILED sly-1-1 in files: rpmbuild made `tables-99-1.noarch`, which `sly.spec`"),
            "{told}"
        );
        assert!(told.contains("0 built, 1 up to date, 1 failed"), "{told}");
    }
    for (line, told_as) in
        [("Obsoletes: tables < 99", "replaces `tables < 99`"), ("Conflicts: tables", "conflicts with `tables`")]
    {
        write_spec(mini, "sly", &format!("{inside}\n{line}\n%endif\n"), &file_with("sly", "sly"));
        let (code, told) = run(mini, &["build", "sly"]);
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains(&format!("FAILED sly-1-1 in files: `sly-1-1.noarch.rpm` {told_as}")), "{told}");
        assert!(told.contains("a package of another spec, and `sly.spec` does not say so"), "{told}");
    }
    assert_eq!(mini.rpms(), before);
    write_spec(mini, "sly", "Obsoletes: tables < 0.1\n", &file_with("sly", "sly"));
    let (code, told) = run(mini, &["build", "sly"]);
    assert_eq!(code, Some(0), "what the spec says may be: {told}");
    remove_specs(mini, &["sly"]);
}

/// `twin` and `twin-b` make RPMs of one name: those of the spec that was built first stay, in every run.
pub(super) fn an_rpm_belongs_to_one_spec(mini: &Mini) {
    let write = |spec: &str| {
        write_spec(mini, spec, "", &file_with("twin", spec));
        let path = mini.path("SPECS").join(spec).join(format!("{spec}.spec"));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text.replace(&format!("Name: {spec}"), "Name: twin")).unwrap();
    };
    write("twin");
    write("twin-b");
    let twins = || mini.rpms().into_iter().filter(|(name, _)| name.starts_with("twin")).collect::<Vec<_>>();
    let (code, told) = run(mini, &["build", "twin-b"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("which `twin.spec` makes, too; only one of the two can be built"), "{told}");
    let of_b = twins();

    let refusal = "`twin.spec` is not built: it makes `noarch/twin-1-1.noarch.rpm`, which `twin-b.spec` makes, too";
    for arguments in [&["build", "twin"][..], &["build", "twin", "twin-b"], &["build", "--rebuild", "twin"]] {
        let (code, told) = run(mini, arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {told}");
        assert!(told.contains(refusal) && !told.contains("building twin"), "{arguments:?}: {told}");
        assert_eq!(twins(), of_b);
    }
    let planned = mini.run(&["plan", "twin", "twin-b"]);
    assert_eq!(planned.status.code(), Some(2));
    assert!(stdout(&planned).contains("cannot      twin: it makes"), "{}", stdout(&planned));
    assert!(stdout(&planned).contains("up to date  twin-b"), "{}", stdout(&planned));
    assert!(stdout(&mini.run(&["explain", "twin"])).starts_with("twin: cannot be built: it makes"));

    remove_specs(mini, &["twin-b"]);
    let (code, told) = run(mini, &["build", "twin"]);
    assert_eq!(code, Some(0), "a spec that is gone has no claim: {told}");
    assert_ne!(twins(), of_b);
    let logs = mini.path("build/logs/pkggen/rpmbuilding");
    assert!(logs.join("twin-1-1.src.rpm.log").is_file() && logs.join("twin-1-1.src.rpm.twin-b.log").is_file());
    write("twin-b");
    let (code, told) = run(mini, &["build", "twin", "twin-b"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("`twin-b.spec` is not built") && told.contains("0 built, 1 up to date"), "{told}");
    remove_specs(mini, &["twin", "twin-b"]);
}

/// One has a control character in its Provides, one leaves a link in its output folder: each fails by its name in every
/// run, and the others are published.
pub(super) fn what_cannot_be_published_fails_alone(mini: &Mini) {
    write_spec(mini, "controlled", "Provides: ksym(default:\u{2})", &file_with("controlled", "x"));
    let link = "%build\nln -s /etc/passwd /var/tmp/drydock/out/x";
    write_spec(mini, "linked", "", &format!("{link}\n{}", file_with("linked", "x")));
    write_spec(mini, "waiting", "BuildRequires: controlled", &file_with("waiting", "x"));
    write_spec(mini, "plain", "", &file_with("plain", "x"));
    for built in ["1 built, 0 up to date", "0 built, 1 up to date"] {
        let (code, told) = run(mini, &["build", "controlled", "linked", "waiting", "plain"]);
        assert_eq!(code, Some(1), "{told}");
        let provides = "its Provides `ksym(default:?)` cannot stand in repository metadata";
        let failed = format!("FAILED controlled-1-1 in publish: `controlled-1-1.noarch.rpm`: {provides}");
        assert!(told.contains(&failed) && told.contains("blocked waiting-1-1: waits for controlled-1-1"), "{told}");
        assert!(told.contains("FAILED linked-1-1 in files: the container left a symbolic link `x`"), "{told}");
        assert!(told.contains(&format!("packages: {built}, 2 failed, 1 blocked")), "{told}");
        assert!(mini.path("out/RPMS/noarch/plain-1-1.noarch.rpm").is_file());
        assert_eq!(state(mini)["error"], serde_json::Value::Null);
    }
    let planned = stdout(&mini.run(&["plan", "controlled"]));
    assert!(planned.starts_with("build       controlled: it was never built"), "{planned}");
    remove_specs(mini, &["controlled", "linked", "waiting", "plain"]);
}

fn state(mini: &Mini) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(mini.path("build/build-state.json")).unwrap()).unwrap()
}

/// Runs a command while a file is in the place of the folder `name`.
fn run_with_file_in_place(mini: &Mini, name: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let place = mini.path(name);
    let aside = place.with_extension("aside");
    std::fs::rename(&place, &aside).unwrap();
    std::fs::write(&place, "in the way").unwrap();
    let ended = run(mini, arguments);
    std::fs::remove_file(&place).unwrap();
    std::fs::rename(&aside, &place).unwrap();
    ended
}

/// A run that breaks down writes how far it came, and why.
pub(super) fn every_run_is_recorded(mini: &Mini) {
    let (code, told) = run_with_file_in_place(mini, "out/RPMS", &["build", "tables"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(state(mini)["error"].as_str().unwrap().contains("is a file, and a folder of results must be there"));

    let logs = "build/logs/pkggen/rpmbuilding";
    let (code, told) = run_with_file_in_place(mini, logs, &["build", "tables", "--rebuild", "tables"]);
    assert_eq!(code, Some(3), "{told}");
    let broken = state(mini);
    assert!(broken["error"].as_str().unwrap().contains("tables-"), "{broken}");
    assert_eq!(broken["packages"][0]["result"], "unfinished", "{broken}");

    assert_eq!(run(mini, &["build", "nothing-of-this-name"]).0, Some(2));
    let refused = state(mini);
    assert!(refused["error"].as_str().unwrap().contains("`nothing-of-this-name`"), "{refused}");
    assert_eq!(run(mini, &["build", "tables"]).0, Some(0));
    assert_eq!(state(mini)["packages"][0]["result"], "up-to-date");
}

/// Changes a byte in the middle of `path` and leaves its size, time and inode as they were.
fn damage(path: &std::path::Path) {
    use std::os::unix::fs::{FileExt, PermissionsExt};
    let before = path.metadata().unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let (at, mut byte) = (before.len() / 2, [0]);
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0xff], at).unwrap();
    file.set_permissions(before.permissions()).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
}

/// RPMs, their index: what is damaged is never called whole, and is as before after the same command.
pub(super) fn what_is_damaged_is_made_again(mini: &Mini) {
    let built = ["build", "greet", "tables"];
    assert_eq!(run(mini, &built).0, Some(0));
    let before = mini.rpms();
    let rpm = mini.path("out/RPMS/noarch/tables-1.0-1.mini.noarch.rpm");
    damage(&rpm);
    let verified = mini.run(&["verify", "tables"]);
    assert_eq!(verified.status.code(), Some(1), "{}", stderr(&verified));
    let line = "tables-1.0-1.mini.noarch.rpm\tdiffers\tdamaged: it is not the file that was built\n";
    assert!(stdout(&verified).contains(line), "{}", stdout(&verified));
    let (code, told) = run(mini, &built);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("the stored result of `tables-1.0-1.mini` is damaged"), "{told}");
    assert!(told.contains("packages: 1 built, 2 up to date"), "{told}");
    assert_eq!(mini.rpms(), before);

    // A package that another one is built with, and only its name in the store.
    let folder = drydock::cache::History::new(&layout(mini)).last("libgreet").unwrap().unwrap();
    let stored = mini.path("build/store").join(folder.key.to_string()).join("rpms/libgreet-1.0-1.mini.x86_64.rpm");
    let published = mini.path("out/RPMS/x86_64/libgreet-1.0-1.mini.x86_64.rpm");
    let content = std::fs::read(&published).unwrap();
    std::fs::remove_file(&published).unwrap();
    std::fs::write(&published, content).unwrap();
    damage(&stored);
    let (code, told) = run(mini, &["build", "--rebuild", "greet"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("packages: 2 built, 0 up to date"), "{told}");
    assert_eq!(mini.rpms(), before);

    let repodata = mini.path("out/RPMS/repodata");
    let index = || {
        let files = std::fs::read_dir(&repodata).unwrap().map(|entry| entry.unwrap().path());
        let current = std::fs::read_to_string(repodata.join("repomd.xml")).unwrap();
        let is_named = |path: &std::path::PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name == "repomd.xml" || current.contains(name)
        };
        let named = files.filter(is_named);
        named.map(|path| (std::fs::read(&path).unwrap(), path)).collect::<std::collections::BTreeSet<_>>()
    };
    let whole = index();
    for (_, path) in &whole {
        damage(path);
        let (code, told) = run(mini, &built);
        assert!(code == Some(0) && told.contains("packages: 0 built, 3 up to date"), "{told}");
        assert_eq!(index(), whole, "{}", path.display());
    }
}

fn layout(mini: &Mini) -> drydock::layout::Layout {
    drydock::layout::Layout::new(mini.path("build"), mini.path("out"), mini.path("cache"))
}

/// A file of an unpacked layer and one of a buildroot: both are noticed by the next build, and made again.
pub(super) fn what_the_sandbox_keeps_is_made_again(mini: &Mini) {
    let again = ["build", "--rebuild", "greet"];
    // So that there is no buildroot but the one of this package.
    std::fs::remove_dir_all(mini.path("build/embedded")).unwrap();
    assert_eq!(run(mini, &again).0, Some(0));
    let kept = |folder: &str, file: &str| {
        let engines = std::fs::read_dir(mini.path("build/embedded")).unwrap().map(|entry| entry.unwrap().path());
        let folders = engines.flat_map(|engine| std::fs::read_dir(engine.join(folder)).into_iter().flatten());
        let mut files = folders.map(|entry| entry.unwrap().path().join(file));
        files.find(|path| path.symlink_metadata().is_ok_and(|found| found.is_file())).unwrap()
    };
    let before = mini.rpms();
    for path in [kept("layers", "usr/include/stdio.h"), kept("derived", "upper/usr/include/greet.h")] {
        let whole = std::fs::read(&path).unwrap();
        damage(&path);
        let (code, told) = run(mini, &again);
        assert_eq!(code, Some(0), "{told}");
        assert_eq!(std::fs::read(&path).unwrap(), whole, "{}", path.display());
    }
    assert_eq!(mini.rpms(), before);
}
