//! Specs that mean harm while they are only read, and those that cannot be built as they are: what is told of them, and that
//! the others are read as if these were not there.

use super::mini::{Mini, stderr, stdout};

/// Leaves a process that writes to whatever it can, files where others may look, and macros.
const POISON: &str = "for folder in / /tmp /var/tmp /dev/shm /run/lock ~ /drydock-specs; do echo poison >$folder/poison; done; \
    echo '%_topdir /evil' >~/.rpmmacros; mkdir -p /tmp/a/b/c; ln -s /etc /tmp/link; \
    setsid sh -c 'while :; do for file in /drydock-specs*/* /tmp/drydock-specs*/*; do echo Provides: evil >>$file; done; done' \
    </dev/null >/dev/null 2>&1 & ";

/// Tells what it can see of others: their files, and how many processes are neither root's nor its own.
const VICTIM: &str = "%global others %(cat /tmp/* /tmp/.??* /var/tmp/* /dev/shm/* /run/lock/* ~/.rpmmacros /poison 2>/dev/null | cksum)\n\
    %global seen %(echo %{others} $(stat -c %%u /proc/[0-9]* 2>/dev/null | grep -vcx -e 0 -e $(id -u)) $(id -un) ~ | tr -c 'a-z0-9\\n' _)\n\
    Name: victim\nProvides: found = %{seen}\n";

fn spec(mini: &Mini, folder: &str, name: &str, preamble: &str, rest: &str) {
    let named = if preamble.contains("Name:") { String::new() } else { format!("Name: {name}\n") };
    let text = format!(
        "{preamble}\n{named}Version: 1\nRelease: 1\nSummary: Small\nLicense: MIT\nBuildArch: noarch\n\
         %description\nSmall.\n{rest}%files\n"
    );
    std::fs::create_dir_all(mini.path(folder)).unwrap();
    std::fs::write(mini.path(folder).join(format!("{name}.spec")), text).unwrap();
}

/// `drydock specs` on a folder, as JSON by spec file.
fn read(mini: &Mini, folder: &str) -> std::collections::BTreeMap<String, serde_json::Value> {
    let ran = mini.run(&["specs", "--specs-dir", folder, "--spec-timeout", "3", "--format", "json"]);
    let lines = stdout(&ran);
    let values = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let named = values.filter(|value| value["file"].is_string()).map(|value| {
        let file = value["file"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        (file, value)
    });
    named.collect()
}

pub(super) fn a_spec_cannot_change_how_others_are_read(mini: &Mini) {
    spec(mini, "alone", "victim", VICTIM, "");
    spec(mini, "among", "victim", VICTIM, "");
    spec(mini, "among", "a-poison", &format!("%global x %({POISON})"), "");
    spec(mini, "among", "b-sleeper", "%global x %(sleep 1000)", "");
    spec(mini, "among", "c-killer", "%global x %(kill -9 -1; kill -9 $PPID)", "");
    spec(mini, "among", "drydock-boundary", "", "");
    spec(mini, "among", "lost", "", "%prep\n");
    let (alone, among) = (read(mini, "alone"), read(mini, "among"));
    assert_eq!(among["victim.spec"]["packages"], alone["victim.spec"]["packages"]);
    assert!(among["victim.spec"]["packages"].to_string().contains("builder"), "{alone:?}");
    let error = |file: &str| among[file]["error"]["text"].as_str().unwrap_or_default().to_owned();
    assert!(
        error("b-sleeper.spec").starts_with("reading it did not end within 3 seconds (`--spec-timeout`)"),
        "{among:?}"
    );
    assert!(error("c-killer.spec").contains("was killed by signal 9"), "{among:?}");
    for sound in ["a-poison.spec", "drydock-boundary.spec", "lost.spec"] {
        assert_eq!(among[sound]["packages"].as_array().map(Vec::len), Some(1), "{sound}: {among:?}");
    }

    spec(mini, "among", "d-hog", "%global x %(head -c 300m /dev/zero | tail -c 300m | wc -c)", "");
    let built = mini.run(&["build", "lost", "--specs-dir", "among", "--spec-timeout", "3", "--memory", "128"]);
    let told = stderr(&built);
    assert_eq!(built.status.code(), Some(0), "{told}");
    assert!(told.contains("reading it took more than 128 MiB of memory, the limit (`--memory`)"), "{told}");
    assert!(told.contains("packages: 1 built"), "{told}");
}

/// Before anything is built.
pub(super) fn what_a_spec_says_is_said_in_time(mini: &Mini) {
    let now = "Name: dated\nRelease: %(date +%%s%%N)\n";
    std::fs::create_dir_all(mini.path("dated")).unwrap();
    let rest = "Version: 1\nSummary: x\nLicense: MIT\n%description\nx\n%build\necho builds it all the same\n%files\n";
    std::fs::write(mini.path("dated/dated.spec"), format!("{now}{rest}")).unwrap();
    let ran = mini.run(&["build", "dated", "--specs-dir", "dated"]);
    let told = stderr(&ran);
    assert_eq!(ran.status.code(), Some(1), "{told}");
    assert!(told.contains("its version or release holds the time, or something else"), "{told}");
    let log = stdout(&mini.run(&["logs", "dated"]));
    assert!(!log.contains("builds it all the same"), "{log}");

    std::fs::create_dir_all(mini.path("deep/group/one")).unwrap();
    let told = stderr(&mini.run(&["build", "--all", "--specs-dir", "deep"]));
    assert!(told.contains("there is no spec in `") && !told.contains("0 to look at"), "{told}");

    spec(mini, "elsewhere", "foreign", "ExclusiveArch: s390x", "");
    let ran = mini.run(&["build", "foreign", "--specs-dir", "elsewhere"]);
    let told = stderr(&ran);
    assert_eq!(ran.status.code(), Some(2), "{told}");
    assert!(
        told.contains("nothing that is asked for can be built for `x86_64`: `foreign` (ExclusiveArch: s390x)"),
        "{told}"
    );
    spec(mini, "elsewhere", "native", "", "");
    let ran = mini.run(&["build", "--all", "--specs-dir", "elsewhere"]);
    let told = stderr(&ran);
    assert_eq!(ran.status.code(), Some(0), "{told}");
    assert!(told.contains("not for x86_64 and left out: `foreign` (ExclusiveArch: s390x)"), "{told}");
    assert!(told.contains("packages: 1 built"), "{told}");
}

/// `mini.containerfile` has a macro for source packages, and none for the others.
pub(super) fn the_image_says_how_packages_are_compressed(mini: &Mini) {
    let compressor = |path: &str| {
        let package = rpm::Package::open(mini.path("out/RPMS").join(path)).unwrap();
        package.metadata.get_payload_compressor().unwrap()
    };
    assert_eq!(compressor("src/tables-1.0-1.mini.src.rpm"), rpm::CompressionType::Gzip);
    assert_eq!(compressor("noarch/tables-1.0-1.mini.noarch.rpm"), rpm::CompressionType::Zstd);
}
