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
    assert_eq!(mini.rpms(), before);
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

    let refusal = "`twin.spec` is not built: it makes `src/twin-1-1.src.rpm`, which `twin-b.spec` makes, too";
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
