//! Specs that mean harm while they are only read: the others are read as if these were not there.

use super::mini::{Mini, stderr, stdout};

/// Leaves a process that writes to whatever it can, files where others may look, and macros.
const POISON: &str = "for folder in / /tmp /var/tmp /dev/shm /run/lock ~ /drydock-specs; do echo poison >$folder/poison; done; \
    echo '%_topdir /evil' >~/.rpmmacros; mkdir -p /tmp/a/b/c; ln -s /etc /tmp/link; \
    setsid sh -c 'while :; do for file in /drydock-specs*/* /tmp/drydock-specs*/*; do echo Provides: evil >>$file; done; done' \
    </dev/null >/dev/null 2>&1 & ";

/// Tells what it can see of others.
const VICTIM: &str = "%global files %(cat /tmp/* /tmp/.??* /var/tmp/* /dev/shm/* /run/lock/* ~/.rpmmacros /poison 2>/dev/null | cksum)\n\
    %global seen %(echo %{files} $(ls -d /proc/[0-9]* | wc -l) $(id -un) ~ | tr -c 'a-z0-9\\n' _)\n\
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
