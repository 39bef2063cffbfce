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
        "zlib: ; zlib; zlib-devel; file: /usr/lib64/pkgconfig/zlib.pc; zlib file: /usr/lib64/libz.so.*",
        "kmod: ; kmod; kmod-devel; file: /usr/lib64/pkgconfig/*.pc; kmod file: /usr/bin/kmod",
        "xz: ; xz; xz-devel; file: /usr/lib64/pkgconfig/*.pc; xz file: /usr/lib64/liblzma.so.*",
        "perl-Foo: ; perl-Foo; file: /usr/share/perl5/vendor_perl/Foo/*.pm",
        "perl-Foo-Own: ; perl-Foo-Own; file: /usr/share/perl5/vendor_perl/Foo",
        "python-x: ; python3-x-y",
        "filesystem: ; filesystem; file: /usr/bin alone; file: /usr/lib64/pkgconfig",
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
            "`pkgconfig(com_err)` is taken to come from `e2-devel`: its %files has `/usr/lib64/pkgconfig/*.pc`",
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
        assert_eq!(likeliest(&told(&specs(&texts))), expected);
    }
}

/// What is told of a guess, without the packages that come after the first.
fn likeliest(told: &str) -> String {
    let (first, reason) = (told.split(", else").next().unwrap(), told.rsplit_once(": ").unwrap().1);
    if first == told { told.to_owned() } else { format!("{first}: {reason}") }
}

#[test]
fn of_many_candidates_the_first_are_told() {
    let pc = |name: &str| format!("{name}: ; {name}-devel; file: /usr/lib/pkgconfig/*.pc");
    let all: Vec<String> = ["a", "b", "c", "d", "e"].map(pc).into();
    let told_of = |count: usize| {
        let texts: Vec<&str> =
            std::iter::once("app: pkgconfig(x)").chain(all[..count].iter().map(String::as_str)).collect();
        told(&specs(&texts))
    };
    insta::assert_snapshot!(told_of(4), @"`pkgconfig(x)` is taken to come from `a-devel`, else `b-devel`, else `c-devel`, else `d-devel`: its %files has `/usr/lib/pkgconfig/*.pc`");
    insta::assert_snapshot!(told_of(5), @"`pkgconfig(x)` is taken to come from `a-devel`, else `b-devel`, else `c-devel`, else one of 2 others: its %files has `/usr/lib/pkgconfig/*.pc`");
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

/// What `app` takes for `requires` beside `others`, and in which order the rest would be taken.
fn taken(requires: &str, others: &[&str]) -> Vec<String> {
    let app = format!("app: {requires}");
    let texts: Vec<&str> = std::iter::once(app.as_str()).chain(others.iter().copied()).collect();
    specs(&texts).named(&["app"]).guesses[0].candidates.clone()
}

#[test]
fn the_likeliest_of_all_that_have_a_pattern_comes_first() {
    let pc = "file: /usr/lib/pkgconfig/*.pc";
    let devel = |name: &str| format!("{name}: ; {name}-devel; {pc}");
    let crowd: Vec<String> = (0..20).map(|number| devel(&format!("aa{number:02}"))).collect();
    let tss = "tpm2-tss: ; tpm2-tss-devel; file: /usr/lib/pkgconfig/*.pc; file: /usr/lib/libtss2-esys.so";
    let gl = "libglvnd: ; libglvnd-devel; file: /usr/lib/pkgconfig/*.pc; file: /usr/lib/libGLESv2.so";
    let fonts = "google-fonts: ; google-roboto-slab-fonts; file: /usr/share/fonts/google/*.ttf";
    for (requires, others, expected) in [
        ("pkgconfig(icu-uc) >= 4", vec![devel("icu"), devel("harfbuzz")], "icu-devel"),
        ("pkgconfig(xcb-image)", vec![devel("libxcb"), devel("xcb-util-image")], "xcb-util-image-devel"),
        ("pkgconfig(libpng16)", vec![devel("libpng"), devel("apng")], "libpng-devel"),
        ("pkgconfig(gio-unix-2.0)", vec![devel("aaa"), devel("gio-base")], "gio-base-devel"),
        ("pkgconfig(tss2-esys)", vec![devel("ess"), tss.to_owned()], "tpm2-tss-devel"),
        ("pkgconfig(glesv2)", vec![devel("mesa"), gl.to_owned()], "libglvnd-devel"),
        ("font(robotoslab)", vec![fonts.to_owned()], "google-roboto-slab-fonts"),
    ] {
        let all: Vec<&str> = crowd.iter().chain(&others).map(String::as_str).collect();
        let candidates = taken(requires, &all);
        assert_eq!(candidates[0], expected, "{requires}");
        let bold = candidates.iter().filter(|name| name.starts_with("aa")).count();
        assert!(candidates.len() == 1 || bold <= 8, "few of those that may have anything: {requires}: {candidates:?}");
    }
}

#[test]
fn what_fits_the_kind_comes_first_and_what_cannot_have_it_is_no_candidate() {
    let python = |name: &str| format!("{name}: ; {name}; file: /usr/lib/python3.12/site-packages/*");
    let programs = "tools: ; tools; file: /usr/bin/*";
    let devel = "zz: ; zz-devel; file: /usr/lib64/pkgconfig/*.pc";
    let perl = "perl-My-Mod: ; perl-My-Mod; file: /usr/share/perl5/vendor_perl/My/*";
    let all = [python("python-one"), python("python-my"), programs.to_owned(), devel.to_owned(), perl.to_owned()];
    let beside = |more: &'static [&'static str]| -> Vec<&str> {
        all.iter().map(String::as_str).chain(more.iter().copied()).collect()
    };
    for (requires, more, expected) in [
        ("python3dist(my-mod)", &[][..], &["python-my", "python-one"][..]),
        ("python3dist(my-mod)", &["python3-mymod-extra:"], &["python3-mymod-extra", "python-my", "python-one"]),
        ("perl(My::Mod)", &[], &["perl-My-Mod"]),
        ("font(notosans)", &["noto: ; noto-fonts; file: /usr/share/fonts/*"], &["noto-fonts"]),
        ("font(notosans)", &["noto: ; noto-data; file: /opt/data/*.ttf"], &["noto-data"]),
        ("pkgconfig(any)", &["aa: ; aa; file: /usr/lib64/pkgconfig/*.pc"], &["zz-devel", "aa"]),
        ("cmake(Foo)", &["foolib: ; foolib; file: /usr/lib64/cmake/*/*.cmake"], &["foolib"]),
    ] {
        assert_eq!(taken(requires, &beside(more)), expected, "{requires}");
    }
}

#[test]
fn a_name_that_nobody_has_costs_few_builds_and_is_told_with_what_comes_near() {
    let crowd: Vec<String> =
        (0..30).map(|number| format!("a{number:02}: ; a{number:02}-devel; file: /usr/lib/pkgconfig/*.pc")).collect();
    let mut texts = vec!["app: pkgconfig(zzlbi)", "zzlib: ; zzlib-devel"];
    texts.extend(crowd.iter().map(String::as_str));
    let first: Vec<String> = (0..8).map(|number| format!("a{number:02}")).collect();
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    assert_eq!(specs(&texts).named(&["app"]).guesses[0].candidates.len(), 8);
    let built: Vec<String> =
        first.iter().map(|name| format!("{name}-devel 1-1 of {name}: pkgconfig({name})")).collect();
    let built: Vec<&str> = built.iter().map(String::as_str).collect();
    // In the next run the same eight are known not to have it; no others are tried.
    let again = specs(&texts).known(&built).named(&["app"]).guesses[0].candidates.clone();
    assert_eq!(again.len(), 8);
    assert!(again.iter().all(|name| first.iter().any(|known| name.starts_with(known))), "{again:?}");
    insta::assert_snapshot!(specs(&texts).known(&built).finished(&first).error(&["app"]), @r"
    no package provides `pkgconfig(zzlbi)`
      required by: `SPECS/app/app.spec` (BuildRequires)
      nearest: `zzlib-devel`
      built and without it: `a00-devel`, `a01-devel`, `a02-devel`, `a03-devel`, `a04-devel`, `a05-devel`, `a06-devel`, `a07-devel`; 22 others, which only have a pattern for any such file, were not tried
    ");
}

#[test]
fn a_module_comes_from_the_package_of_its_name_before_perl_itself() {
    let perl = "perl: ; perl; file: /usr/lib/perl5/vendor_perl alone; file: /usr/lib/perl5/Path";
    assert_eq!(taken("perl(Path::Tiny)", &[perl, "perl-Path-Tiny:"])[0], "perl-Path-Tiny");
    let perl = "perl: ; perl; file: /usr/share/perl5/Carp.pm";
    assert_eq!(
        taken("perl(Carp)", &[perl, "perl-Other: ; perl-Other; file: /usr/share/perl5/Other/Carp.pm"])[0],
        "perl"
    );
}

#[test]
fn a_path_below_a_folder_comes_from_who_owns_the_folder() {
    let folder = "fd2: ; fd2; file: /opt/fd2";
    let crowd = "filesystem: ; filesystem; file: /opt alone; file: /usr/share/fonts";
    assert_eq!(taken("/opt/fd2/bin/a", &[folder, crowd]), ["fd2"]);
    let fonts = "dejavu: ; dejavu-sans; file: /usr/share/fonts/dej*";
    assert_eq!(taken("/usr/share/fonts/dejavu/Sans.ttf", &[fonts, crowd])[0], "dejavu-sans");
    let error = specs(&["app: /opt/fd2/bin/a", "fd2: ; fd2; file: /opt/fd2 alone"]).error(&["app"]);
    insta::assert_snapshot!(error, @r"
    no package provides `/opt/fd2/bin/a`
      required by: `SPECS/app/app.spec` (BuildRequires)
    ");
}

#[test]
fn a_spec_is_not_guessed_to_provide_what_its_build_requires() {
    let pc = "file: /usr/lib/pkgconfig/*.pc";
    let own = format!("harf: pkgconfig(harf-icu); harf-devel; {pc}");
    let other = format!("other: ; other-devel; {pc}");
    assert_eq!(needs(&specs(&[&own, &other]).named(&["harf"])), "harf: other; other:");
    insta::assert_snapshot!(specs(&[&own]).error(&["harf"]), @r"
    no package provides `pkgconfig(harf-icu)`
      required by: `SPECS/harf/harf.spec` (BuildRequires)
    ");
}

#[test]
fn a_guess_that_closes_a_ring_or_cannot_be_built_gives_way_to_the_next() {
    let pc = "file: /usr/lib/pkgconfig/*.pc";
    let app = "app: pkgconfig(x-y)";
    let ring = format!("x: app; x-devel; {pc}");
    let broken = format!("x: nothing; x-devel; {pc}");
    let deep = format!("x: deep; x-devel; {pc}");
    let right = format!("zz: ; zz-devel; {pc}");
    for first in [&ring, &broken, &deep] {
        let texts = [app, first, &right, "deep: nothing"];
        assert_eq!(needs(&specs(&texts).named(&["app"])), "app: zz; zz:", "{first}");
    }
    insta::assert_snapshot!(specs(&[app, &broken]).error(&["app"]), @r"
    no package provides `nothing`
      required by: `SPECS/x/x.spec` (BuildRequires)
    ");
}

#[test]
fn what_has_ended_in_the_run_is_not_guessed_again() {
    let texts = [
        "app: pkgconfig(m)",
        "a: ; a-devel; file: /usr/lib/pkgconfig/*.pc",
        "b: ; b-devel; file: /usr/lib/pkgconfig/*.pc",
    ];
    let known = ["a-devel 1-1 of a: pkgconfig(other)", "b-devel 1-1 of b: pkgconfig(another)"];
    assert_eq!(specs(&texts).named(&["app"]).unsure["app"].iter().collect::<Vec<_>>(), ["a"]);
    assert_eq!(needs(&specs(&texts).failed(&["a"]).named(&["app"])), "app: b; b:");
    assert_eq!(needs(&specs(&texts).known(&known).finished(&["a"]).named(&["app"])), "app: b; b:");
    let error = specs(&texts).known(&known).finished(&["a", "b"]).error(&["app"]).to_string();
    assert!(error.starts_with("no package provides `pkgconfig(m)`"), "{error}");
}
