//! What `drydock logs` says of a package that has no log.

use super::support::Project;

const PIPELINE: &str = "name: p\ntoolchain:\n  - stage: base\n    base: [{ archive: none.tar }]\n\
    packages:\n  toolchain: base\n  specs: [SPECS]\n";

#[test]
fn a_package_that_was_not_built_yet_is_told_from_one_that_is_not_there() {
    let project = Project::new()
        .file("p.yaml", PIPELINE)
        .file("SPECS/zlib/zlib.spec", "")
        .file("S/kmod/kmod.spec", "")
        .file("build/logs/pkggen/rpmbuilding/a-1-1.src.rpm.log", "text\n");
    let told = |arguments: &[&str]| {
        let ran = project.run(&[&["--pipeline", "p.yaml", "logs"], arguments].concat());
        assert_eq!(ran.code, Some(2), "{arguments:?}");
        ran.stderr
    };
    insta::assert_snapshot!(told(&["zlib"]), @r"
    error: there is no log of `zlib` in `[DIR]/build/logs/pkggen/rpmbuilding`
    hint: it has a spec, and was not built yet: `drydock --pipeline p.yaml build zlib` builds it
    ");
    insta::assert_snapshot!(told(&["kmod"]), @r"
    error: there is no log of `kmod` in `[DIR]/build/logs/pkggen/rpmbuilding`
    hint: there are logs of: a
    ");
    insta::assert_snapshot!(told(&["--specs-dir", "S", "kmod"]), @r"
    error: there is no log of `kmod` in `[DIR]/build/logs/pkggen/rpmbuilding`
    hint: it has a spec, and was not built yet: `drydock --pipeline p.yaml build --specs-dir S kmod` builds it
    ");
}
