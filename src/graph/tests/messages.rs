//! What the user reads when no graph can be made.

use super::specs;

#[test]
fn unknown_goals_are_told_at_once() {
    let error = specs(&["zlib: ; zlib-devel", "kmod:"]).given(&["gcc"]).error(&["zlbi", "kmod", "gcc", "zlib-deve"]);
    insta::assert_snapshot!(error, @r"
    no spec and no package is named `gcc`, but the toolchain image has it
    no spec and no package is named `zlbi`
      nearest: `zlib`
    no spec and no package is named `zlib-deve`
      nearest: `zlib-devel`
    ");
    insta::assert_snapshot!(error.hint().unwrap(), @"name a spec file without `.spec`, or a package that a spec makes");
}

#[test]
fn everything_that_is_missing_is_told_at_once() {
    let texts = [
        "curl: pkgconfig(libnghttp3) >= 1.5, zlib-devell",
        "nghttp3: ; nghttp3-devel + pkgconfig(libnghttp3) = 1.4.0",
        "zlib: ; zlib-devel > zlib-libs",
        "git: zlib-devel, (x and y)",
        "y:",
    ];
    let error = specs(&texts).error(&[]);
    insta::assert_snapshot!(error, @r"
    no package provides `(x and y)`
      required by: `SPECS/git/git.spec` (BuildRequires)
    no package provides `pkgconfig(libnghttp3) >= 1.5`
      required by: `SPECS/curl/curl.spec` (BuildRequires)
      nearest: `nghttp3-devel-1-1.x86_64` provides `pkgconfig(libnghttp3) = 1.4.0`
    no package provides `zlib-devell`
      required by: `SPECS/curl/curl.spec` (BuildRequires)
      nearest: `zlib-devel`
    no package provides `zlib-libs`
      required by: `SPECS/zlib/zlib.spec` (Requires of `zlib-devel`)
      nearest: `zlib-devel`
    ");
    insta::assert_snapshot!(error.hint().unwrap(), @"update the package that provides the other version, or relax the bound");
}

#[test]
fn many_requirers_are_counted() {
    let texts: Vec<String> = (0..8).map(|number| format!("p{number}: nowhere")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert!(specs(&texts).error(&[]).to_string().ends_with("required by: 3 more"));
}
