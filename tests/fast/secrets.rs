//! A password in an argument is shown by no message, whoever finds the argument wrong.

use super::support::Project;

const PIPELINE: &str = "name: p\ntoolchain:\n  - stage: base\n    base: [{ archive: none.tar }]\n";

#[test]
fn a_wrong_argument_is_shown_without_its_password() {
    let project = Project::new().file("p.yaml", PIPELINE);
    let (plain, url) = ("me:SECRET@host.test/a", "https://me:SECRET@host.test/a");
    let (option, variable) = (format!("--nope={url}"), format!("{url}=1"));
    let cases: [&[&str]; 11] = [
        &["--registry", plain, "toolchain", "list"],
        &["--registry", url, "toolchain", "list"],
        &["toolchain", "pull", plain],
        &["toolchain", "push", "base", plain],
        &["toolchain", "list", url],
        &["toolchain", "list", &option],
        &["build", "a", "--jobs", url],
        &["--repo", url, "--no-remote", "plan"],
        &["--engine", plain, "plan"],
        &["make", &variable],
        &[url],
    ];
    for arguments in cases {
        let ran = project.command(&["--pipeline", "p.yaml"]).args(arguments).output().unwrap();
        let told = String::from_utf8(ran.stderr).unwrap();
        assert!(!ran.status.success() && !told.contains("SECRET"), "{arguments:?}: {told}");
        assert!(told.starts_with("error: "), "{arguments:?}: {told}");
    }
}
