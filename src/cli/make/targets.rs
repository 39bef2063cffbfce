//! The toolkit's make targets, and what each is here.

/// A make target.
pub(super) struct Target {
    pub(super) name: &'static str,
    pub(super) does: Does,
}

/// What a target is here.
#[derive(Clone, Copy)]
pub(super) enum Does {
    /// These commands, one after the other.
    Run(&'static [Step]),
    /// Nothing has to be done; why.
    Nothing(&'static str),
    /// There is nothing of the kind; what to do instead.
    Absent(&'static str),
}

/// A command of Drydock with what the variables give.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// `srpm --signatures update`, when the variables ask for it.
    Signatures,
    /// `srpm` with the names of `SRPM_PACK_LIST`.
    Srpm,
    /// `build` with the packages that are asked for.
    Build,
    /// `build --image`, unless `REBUILD_PACKAGES=n`.
    ImagePackages,
    /// A command and its arguments.
    Plain(&'static [&'static str]),
    /// The same, with the names of the packages that are asked for.
    Named(&'static [&'static str]),
    /// `image CONFIG`.
    Image,
    /// `toolchain import ARCHIVE`.
    Import,
}

use Does::{Absent, Nothing, Run};
use Step::{Build, Image, ImagePackages, Import, Named, Plain, Signatures, Srpm};

const TOOLCHAIN: Does = Run(&[Plain(&["toolchain", "build"])]);
const IMAGE: Does = Run(&[Signatures, ImagePackages, Image]);
const BY_KEY: Does = Nothing("results are found by what went into them; there is nothing to clean");
const ONE_PROGRAM: Does = Nothing("Drydock is one program");
const ARCHIVE: Does = Absent("pack or unpack `out/` with `tar`");
const SUMMARY: Does = Absent("see `build/build-state.json` and `build/build-state.csv`, or `drydock logs`");
const SODIFF: Does = Absent("sonames are not compared with a published repository");
const LICENSES: Does = Absent("licenses are not checked");
const REMOTE: Does = Absent("packages are downloaded when a build or image needs them");
const MANIFESTS: Does = Absent("a stage's packages are checked against its image when specs are read: `drydock specs`");

/// Every target, in the toolkit's order.
pub(super) const TARGETS: &[Target] = &[
    target("all", TOOLCHAIN),
    target("toolchain", TOOLCHAIN),
    target("raw-toolchain", TOOLCHAIN),
    target("toolchain-input-srpms", Absent("pack those of a stage: `drydock --stage STAGE srpm --all`")),
    target("compress-toolchain", Absent("write a stage's image with `drydock toolchain export STAGE FILE`")),
    target("compress-toolchain-final-rpms", Absent("write a stage's image with `drydock toolchain export STAGE FILE`")),
    target("hydrate-toolchain", Run(&[Import])),
    target("copy-toolchain-rpms", Nothing("the toolkit has given it up, too")),
    target("check-manifests", MANIFESTS),
    target("check-x86_64-manifests", MANIFESTS),
    target("check-aarch64-manifests", MANIFESTS),
    target("clean-toolchain", BY_KEY),
    target("clean-toolchain-rpms", BY_KEY),
    target("clean-toolchain-containers", Nothing("no container is left after its command")),
    target("chroot-tools", TOOLCHAIN),
    target("validate-chroot", Nothing("a toolchain image is made whole or not at all")),
    target("macro-tools", Nothing("macros are those of the toolchain image")),
    target("clean-chroot-tools", BY_KEY),
    target("clean-macro-tools", BY_KEY),
    target("input-srpms", Run(&[Srpm])),
    target("expand-specs", Absent("`drydock shell NAME` has the unpacked sources")),
    target("clean-input-srpms", BY_KEY),
    target("clean-expand-specs", BY_KEY),
    target("generate-versions-macros-file", Nothing("the pipeline's `packages.version-macros` does it")),
    target("parse-specs", Run(&[Plain(&["specs"])])),
    target("graph", Run(&[Named(&["graph"])])),
    target("workplan", Run(&[Named(&["graph"])])),
    target("graph-cache", Run(&[Named(&["plan"])])),
    target("graph-preprocessed", Run(&[Named(&["plan"])])),
    target("build-packages", Run(&[Signatures, Build])),
    target(
        "analyze-built-graph",
        Absent("the toolkit's own always fails; `drydock plan` says what would be built and why"),
    ),
    target("pre-cache", REMOTE),
    target("repo-query", Absent("ask a repository with `dnf repoquery`")),
    target("rpms-snapshot", Run(&[Plain(&["specs", "--format", "json"])])),
    target("run-specarchchecker", Run(&[Plain(&["specs"])])),
    target("hydrate-rpms", ARCHIVE),
    target("compress-rpms", ARCHIVE),
    target("hydrate-srpms", ARCHIVE),
    target("compress-srpms", ARCHIVE),
    target("hydrate-cached-rpms", ARCHIVE),
    target("compress-cached-rpms", ARCHIVE),
    target("built-packages-summary", SUMMARY),
    target("build-summary", SUMMARY),
    target("print-build-summary", SUMMARY),
    target("fake-built-packages-list", SUMMARY),
    target("sodiff-repo", SODIFF),
    target("sodiff-repo-extended", SODIFF),
    target("sodiff-setup", SODIFF),
    target("sodiff-check", SODIFF),
    target("license-check", LICENSES),
    target("license-check-pkg", LICENSES),
    target("license-check-img", LICENSES),
    target("clean-build-packages", BY_KEY),
    target("clean-build-packages-workers", BY_KEY),
    target("clean-workplan", BY_KEY),
    target("clean-cache", BY_KEY),
    target("clean-cache-worker", BY_KEY),
    target("clean-grapher-cache-worker", BY_KEY),
    target("clean-spec-parse", BY_KEY),
    target("clean-ccache", BY_KEY),
    target("clean-compress-rpms", BY_KEY),
    target("clean-compress-srpms", BY_KEY),
    target("clean-precache", BY_KEY),
    target("clean-repo-query", BY_KEY),
    target("clean-rpms-snapshot", BY_KEY),
    target("clean-sodiff", BY_KEY),
    target("clean-license-check", BY_KEY),
    target("validate-image-config", Absent("`drydock image` checks a configuration before anything is made")),
    target("fetch-image-packages", REMOTE),
    target("fetch-external-image-packages", REMOTE),
    target("make-raw-image", IMAGE),
    target("image", IMAGE),
    target("installer-initrd", IMAGE_BY_HAND),
    target("iso", IMAGE),
    target("meta-user-data", Absent("make it with `xorriso -volid cidata`")),
    target("clean-imagegen", BY_KEY),
    target("go-tools", ONE_PROGRAM),
    target("clean-go-tools", ONE_PROGRAM),
    target("go-tidy-all", ONE_PROGRAM),
    target("go-mod-tidy", ONE_PROGRAM),
    target("go-fmt-all", ONE_PROGRAM),
    target("go-test-coverage", ONE_PROGRAM),
    target("package-toolkit", ONE_PROGRAM),
    target("clean-package-toolkit", ONE_PROGRAM),
    target("install-prereqs", Run(&[Plain(&["doctor"])])),
    target("install-prereqs-and-configure", Run(&[Plain(&["doctor"])])),
    target("containerized-rpmbuild", Absent("`drydock shell NAME` opens a shell in a package's build container")),
    target("containerized-rpmbuild-help", Absent("`drydock shell --help`")),
    target("get-version", Absent("the pipeline's `images.version`")),
    target("get-release-major", Absent("the pipeline's `images.version`")),
    target("get-dist-tag", Absent("the pipeline's `packages.macros.dist`")),
    target("help", Absent("`drydock make --list` lists the targets and variables")),
    target("clean", Run(&[Plain(&["clean", "--results", "--output"])])),
];

const IMAGE_BY_HAND: Does = Absent("name its configuration: `drydock make image CONFIG_FILE=…`");

const fn target(name: &'static str, does: Does) -> Target {
    Target { name, does }
}

impl Does {
    /// The Drydock command for people, and a remark.
    pub(super) fn describe(self) -> (String, &'static str) {
        match self {
            Self::Nothing(why) => ("nothing to do".to_owned(), why),
            Self::Absent(instead) => ("none".to_owned(), instead),
            Self::Run(steps) => {
                let shown = steps.iter().filter(|step| **step != Signatures);
                let shown: Vec<String> = shown.map(|step| format!("`drydock {}`", step.shown())).collect();
                (shown.join(", then "), "")
            }
        }
    }
}

impl Step {
    fn shown(self) -> String {
        match self {
            Signatures => "srpm --signatures update".to_owned(),
            Srpm => "srpm".to_owned(),
            Build => "build".to_owned(),
            ImagePackages => "build --image CONFIG".to_owned(),
            Plain(words) => words.join(" "),
            Named(words) => format!("{} NAME…", words.join(" ")),
            Image => "image CONFIG".to_owned(),
            Import => "toolchain import FILE".to_owned(),
        }
    }
}
