//! Who provides what rpm generates.

use super::{needs, specs};

fn told(distribution: &super::Distribution) -> String {
    distribution.named(&["app"]).guesses.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_earlier_build_knows() {
    let texts = ["app: pkgconfig(liblzma) >= 1", "xz: ; xz; xz-devel", "lzma-sdk: ; liblzma-devel"];
    let known = specs(&texts).known(&["xz-devel 1-1 of xz: pkgconfig(liblzma) = 5.4"]);
    assert_eq!(needs(&known.named(&["app"])), "app: xz; xz:");
    assert_eq!(told(&known), "", "it is no guess");

    let older = specs(&texts).known(&["xz-devel 0.9-1 of xz: pkgconfig(liblzma) = 0.9"]);
    assert_eq!(needs(&older.named(&["app"])), "app: xz; xz:", "of another version only the name counts");
    insta::assert_snapshot!(told(&older), @"`pkgconfig(liblzma) >= 1` is taken to come from `xz-devel`: its build of version 0.9-1 provided it");
}

#[test]
fn an_earlier_build_that_is_too_old_is_not_taken_for_the_present_one() {
    let known = specs(&["app: pkgconfig(x) >= 2", "x: ; x-libs"]).known(&["x-libs 1-1 of x: pkgconfig(x) = 1.5"]);
    insta::assert_snapshot!(known.error(&["app"]), @r"
    no package provides `pkgconfig(x) >= 2`
      required by: `SPECS/app/app.spec` (BuildRequires)
      nearest: `x-libs-1-1.x86_64` provides `pkgconfig(x) = 1.5`
    ");
}

#[test]
fn files_of_an_earlier_build_count() {
    let texts = ["app: /usr/bin/xz", "tool: ; tool"];
    let known = specs(&texts).known(&["tool 1-1 of tool: /usr/bin/xz, /usr/bin/other"]);
    assert_eq!(needs(&known.named(&["app"])), "app: tool; tool:");
    assert_eq!(told(&known), "");
}

#[test]
fn file_lists_and_names_are_asked_before_the_first_build() {
    let lists = [
        "zlib: ; zlib; zlib-devel; file: /usr/lib64/pkgconfig/zlib.pc; file: /usr/lib64/libz.so.*",
        "kmod: ; kmod; kmod-devel; file: /usr/lib64/pkgconfig/*.pc; file: /usr/bin/kmod",
        "xz: ; xz; xz-devel; file: /usr/lib64/pkgconfig/*.pc; file: /usr/lib64/liblzma.so.*",
        "perl-Foo: ; perl-Foo; file: /usr/share/perl5/vendor_perl/Foo/*.pm",
        "perl-Foo-Own: ; perl-Foo-Own; file: /usr/share/perl5/vendor_perl/Foo",
        "python-x: ; python3-x-y",
        "filesystem: ; filesystem; file: /usr/bin; file: /usr/lib64/pkgconfig",
        "nss: ; nss; nss-devel; file: /usr/lib64/pkgconfig/nss*.pc",
        "e2: ; e2-devel; file: /usr/lib64/pkgconfig/*.pc",
    ];
    for (requires, expected) in [
        (
            "pkgconfig(zlib)",
            "`pkgconfig(zlib)` is taken to come from `zlib-devel`: its %files has `/usr/lib64/pkgconfig/zlib.pc`",
        ),
        (
            "pkgconfig(libkmod)",
            "`pkgconfig(libkmod)` is taken to come from `kmod-devel`: its %files has `/usr/lib64/pkgconfig/*.pc`",
        ),
        (
            "pkgconfig(liblzma)",
            "`pkgconfig(liblzma)` is taken to come from `xz-devel`: its %files has `/usr/lib64/pkgconfig/*.pc`",
        ),
        (
            "pkgconfig(nss-util)",
            "`pkgconfig(nss-util)` is taken to come from `nss-devel`: its %files has `/usr/lib64/pkgconfig/nss*.pc`",
        ),
        (
            "pkgconfig(com_err)",
            "`pkgconfig(com_err)` is taken to come from `e2-devel`, else `kmod-devel`, else `xz-devel`: its %files has `/usr/lib64/pkgconfig/*.pc`",
        ),
        (
            "libz.so.1()(64bit)",
            "`libz.so.1()(64bit)` is taken to come from `zlib`: its %files has `/usr/lib64/libz.so.*`",
        ),
        ("/usr/bin/kmod", "`/usr/bin/kmod` is taken to come from `kmod`: its %files has `/usr/bin/kmod`"),
        ("/usr/bin/xz", "`/usr/bin/xz` is taken to come from `xz`: the name `xz` goes with it"),
        (
            "perl(Foo::Bar)",
            "`perl(Foo::Bar)` is taken to come from `perl-Foo`: its %files has `/usr/share/perl5/vendor_perl/Foo/*.pm`",
        ),
        (
            "perl(Foo::Own)",
            "`perl(Foo::Own)` is taken to come from `perl-Foo-Own`: its %files has `/usr/share/perl5/vendor_perl/Foo`",
        ),
        (
            "python3dist(x.y) >= 2",
            "`python3dist(x.y) >= 2` is taken to come from `python3-x-y`: the name `python3-x-y` goes with it",
        ),
    ] {
        let app = format!("app: {requires}");
        let texts: Vec<&str> = std::iter::once(app.as_str()).chain(lists).collect();
        assert_eq!(told(&specs(&texts)), expected);
    }
}

#[test]
fn a_larger_package_does_not_stand_in_for_one_that_cannot_be_built() {
    let files = "file: /usr/share/perl5/vendor_perl/Foo";
    let (own, larger) =
        (format!("perl-Foo-Own: missing; perl-Foo-Own; {files}"), format!("perl-Foo: ; perl-Foo; {files}"));
    insta::assert_snapshot!(specs(&["app: perl(Foo::Own)", &own, &larger]).error(&["app"]), @r"
    no package provides `missing`
      required by: `SPECS/perl-Foo-Own/perl-Foo-Own.spec` (BuildRequires)
    ");
    assert_eq!(needs(&specs(&["app: perl(Foo::Own)", &larger]).named(&["app"])), "app: perl-Foo; perl-Foo:");
}

#[test]
fn nothing_is_guessed_for_a_plain_name() {
    let error = specs(&["app: zlib-dev", "zlib: ; zlib-devel; file: /usr/bin/zlib-dev"]).error(&["app"]);
    insta::assert_snapshot!(error, @r"
    no package provides `zlib-dev`
      required by: `SPECS/app/app.spec` (BuildRequires)
      nearest: `zlib-devel`
    ");
}

#[test]
fn a_build_that_did_not_provide_it_is_guessed_last() {
    let texts = [
        "app: pkgconfig(m)",
        "a: ; a-devel; file: /usr/lib/pkgconfig/*.pc",
        "b: ; b-devel; file: /usr/lib/pkgconfig/*.pc",
    ];
    assert_eq!(needs(&specs(&texts).named(&["app"])), "a:; app: a");
    let known = specs(&texts).known(&["a-devel 1-1 of a: pkgconfig(other)"]);
    assert_eq!(needs(&known.named(&["app"])), "app: b; b:");
}
