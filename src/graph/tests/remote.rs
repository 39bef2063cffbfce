//! When a package of a remote repository is used, and which.

use super::{Distribution, built, needs, requirements, specs};
use crate::digest::Sha256;
use crate::graph::{RemoteIndex, missing_paths, solve_ranked};
use crate::package::{Provides, RpmHeader};
use crate::remote::{Checksum, RemotePackage};

/// A remote package: `rank name version: provided, …, /a/file > required, …`.
fn remote(text: &str) -> RemotePackage {
    let (rank, rest) = text.split_once(' ').unwrap();
    let (rest, requires) = rest.split_once(" > ").unwrap_or((rest, ""));
    let (name, more) = rest.split_once(' ').unwrap();
    let (version, provides) = more.split_once(':').unwrap();
    let header = built(&format!("{name} {version}-1 of x: {provides}"));
    let header = RpmHeader { requires: requirements(requires), ..header };
    RemotePackage {
        header,
        repository: format!("r{rank}"),
        rank: rank.parse().unwrap(),
        location: format!("{name}.rpm"),
        bytes: 10,
        checksum: Checksum::Sha256(Sha256::of_bytes(text.as_bytes())),
    }
}

impl Distribution {
    fn remote(mut self, texts: &[&str]) -> Self {
        self.remote = texts.iter().map(|text| remote(text)).collect();
        self
    }

    /// Names and versions of the remote packages in the buildroot of a spec.
    fn taken(&self, spec: &str) -> String {
        let graph = self.all();
        let digests = graph.remote.get(spec).cloned().unwrap_or_default();
        let taken = self.remote.iter().filter(|package| digests.contains(&package.digest()));
        let names = taken.map(|package| format!("{}-{}", package.header.nevra.name, package.header.nevra.evr.version));
        names.collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn what_no_spec_makes_comes_from_a_repository_with_all_it_requires() {
    let all = specs(&["app: lib-devel; app > helper", "helper:"]).remote(&[
        "0 lib-devel 1: pkgconfig(lib) > lib, (data if lib)",
        "0 lib 1:",
        "0 data 1:",
        "0 other 1:",
    ]);
    assert_eq!(all.taken("app"), "lib-devel-1 lib-1 data-1");
    assert_eq!(needs(&all.all()), "app:; helper:", "nothing is built for it");
    let why = all.all().why("app", "lib").unwrap().to_string();
    assert!(why.contains("lib of repository r0"), "{why}");
}

#[test]
fn the_image_and_specs_come_before_repositories() {
    let repository = ["0 lib 9: cap", "0 gcc 9:"];
    assert_eq!(specs(&["app: lib", "lib:"]).remote(&repository).taken("app"), "", "a spec makes it");
    assert_eq!(specs(&["app: cap", "other: ; other + cap"]).remote(&repository).taken("app"), "", "a spec provides it");
    assert_eq!(specs(&["app: gcc"]).given(&["gcc"]).remote(&repository).taken("app"), "", "the image has it");
    let known = specs(&["app: cap", "other:"]).known(&["other 1-1 of other: cap"]);
    assert_eq!(known.remote(&repository).taken("app"), "", "a build provided it");
    let excluded = specs(&["app: lib", "lib: ; arch: aarch64"]);
    assert_eq!(excluded.remote(&repository).taken("app"), "lib-9", "no spec makes it here");
}

#[test]
fn a_name_that_a_spec_makes_is_not_taken_in_another_version() {
    let all = specs(&["app: lib >= 2", "lib:"]).remote(&["0 lib 2:"]);
    let error = all.error(&["app"]).to_string();
    assert!(error.contains("nearest: `lib-2-1.x86_64` of repository `r0` provides `lib = 2-1`"), "{error}");
}

#[test]
fn the_preferred_repository_counts_before_the_version() {
    let all = |texts: &[&str]| specs(&["app: cap"]).remote(texts).taken("app");
    assert_eq!(all(&["0 lib 1: cap", "1 lib 2: cap"]), "lib-1");
    assert_eq!(all(&["0 lib 2: cap", "0 lib 1: cap"]), "lib-2");
    assert_eq!(specs(&["app: lib >= 2"]).remote(&["0 lib 1:", "1 lib 2:"]).taken("app"), "lib-2");
}

#[test]
fn a_repository_is_surer_than_a_bold_guess_and_not_than_a_likely_one() {
    let bold = specs(&["app: pkgconfig(thing)", "other: ; other-devel; file: /usr/lib64/pkgconfig/*.pc"]);
    assert_eq!(bold.remote(&["0 thing-devel 1: pkgconfig(thing)"]).taken("app"), "thing-devel-1");
    let likely = ["app: pkgconfig(thing)", "other: ; other-devel; file: /usr/lib64/pkgconfig/thing.pc"];
    assert_eq!(specs(&likely).remote(&["0 thing-devel 1: pkgconfig(thing)"]).taken("app"), "");
    let refuted = specs(&likely).known(&["other-devel 1-1 of other: x"]);
    assert_eq!(refuted.remote(&["0 thing-devel 1: pkgconfig(thing)"]).taken("app"), "thing-devel-1");
}

#[test]
fn paths_that_the_metadata_do_not_have_are_told() {
    let all = specs(&["app: /usr/bin/tool, /opt/x"]).remote(&["0 tool 1: /usr/bin/tool"]);
    let missing = missing_paths(all.inputs(), &super::Goals::All).unwrap();
    assert_eq!(missing.into_iter().collect::<Vec<_>>(), ["/opt/x"]);
}

#[test]
fn the_solver_takes_from_repositories_what_the_results_lack() {
    let all = specs(&["app: x"]).remote(&[
        "1 lib 2: cap > helper",
        "1 helper 1:",
        "1 local 3: thing",
        "2 lib 3: cap",
        "1 unrelated 1:",
    ]);
    let local = RpmHeader { requires: requirements("cap"), ..built("local 1-1 of local: thing") };
    let wanted = requirements("thing");
    let index = RemoteIndex::new(&all.remote, &all.specs, &[]);
    let relevant = index.relevant(&wanted, &[&local], &Provides::default());
    let names: Vec<&str> = relevant.iter().map(|package| package.header.nevra.name.as_str()).collect();
    assert_eq!(names, ["lib", "helper", "lib"], "what is there already is not looked for");
    let remote = relevant.iter().map(|package| (&package.header, package.rank));
    let available: Vec<_> = std::iter::once((&local, 0)).chain(remote).collect();
    let solved = solve_ranked(&wanted, &available, &Provides::default()).unwrap();
    let found: Vec<String> =
        solved.iter().map(|header| format!("{}-{}", header.nevra.name, header.nevra.evr.version)).collect();
    assert_eq!(found, ["helper-1", "lib-2", "local-1"]);

    let everything: Vec<_> =
        std::iter::once((&local, 0)).chain(all.remote.iter().map(|package| (&package.header, package.rank))).collect();
    let solved = solve_ranked(&wanted, &everything, &Provides::default()).unwrap();
    assert!(solved.iter().all(|header| header.nevra.to_string() != "local-3-1.x86_64"), "a result comes first");
}
