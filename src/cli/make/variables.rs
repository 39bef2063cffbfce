//! The toolkit's make variables, and what each is here.

/// A make variable.
pub(super) struct Variable {
    pub(super) name: &'static str,
    /// What it is when it is not given.
    pub(super) default: &'static str,
    pub(super) means: Means,
    /// Commands that it counts for; empty for all.
    pub(super) of: &'static [&'static str],
    /// What a reader should know: how it differs, why it is not needed, what to do instead.
    pub(super) remark: &'static str,
}

/// What a variable is here.
#[derive(Clone, Copy)]
pub(super) enum Means {
    /// A flag with the value.
    Value(&'static str),
    /// The same, before the command.
    Global(&'static str),
    /// A flag for each word of the value.
    Words(&'static str),
    /// One of these values, each with the arguments that it stands for.
    Choice(&'static [(&'static str, &'static str)]),
    /// A flag with a time in seconds; the value is Go's, such as `1h30m`.
    Seconds(&'static str),
    /// What it does depends on other variables: `goals.rs`. For people, what it gives.
    Goal(&'static str),
    /// It changes nothing that counts; said when it is given.
    Needless,
    /// The toolkit itself does not read it; said when it is given.
    Dead,
    /// Leaving it out would change what comes out: another value than the default is refused.
    Refused,
}

use Means::{Choice, Dead, Global, Goal, Needless, Refused, Seconds, Value, Words};

const BUILD: &[&str] = &["build"];
const SRPM: &[&str] = &["srpm"];
const GOALS: &[&str] = &["build", "graph", "plan"];
const PACKED: &[&str] = &["srpm", "build", "graph", "plan"];
const FETCHING: &[&str] = &["srpm", "build"];
const OF_SPECS: &[&str] = &["srpm", "build", "specs", "graph", "plan", "image"];
const ANY: &[&str] = &[];
const ONE_PROGRAM: &str = "Drydock is one program";
const FIXED: &str = "folders below `--build-dir` have fixed names";
const FIXED_OUT: &str = "folders below `--out-dir` have fixed names";
const PIPELINE_MACRO: &str = "set the macro in the pipeline's `packages.macros`";
const REPOSITORY: &str = "name the repository with `REPO_LIST`";
const STAGE: &str = "toolchain stages are described in the pipeline";
const LOCKED: &str = "what was used is not written into summaries";
const NEVER_STALE: &str = "results are found by what went into them";
const REMOTE_RESULTS: &str = "a package is built from its spec, and not taken from a repository by its name";
const SHELL: &str = "`drydock shell NAME` is the place for it";
const LICENSES: &str = "licenses are not checked";
const RELEASE: &str = "the version is the pipeline's `images.version`";

/// Every variable, in the toolkit's order; a row a line.
#[rustfmt::skip]
pub(super) const VARIABLES: &[Variable] = &[
    variable("PROJECT_ROOT", "", Global("--project"), ANY, ""),
    variable("SPECS_DIR", "", Value("--specs-dir"), OF_SPECS, "the pipeline's folders when it is not given"),
    variable("BUILD_DIR", "", Global("--build-dir"), ANY, "`build` when it is not given"),
    variable("OUT_DIR", "", Global("--out-dir"), ANY, "`out` when it is not given"),
    variable("SCRIPTS_DIR", "", Needless, ANY, ONE_PROGRAM),
    variable("TOOLS_DIR", "", Needless, ANY, ONE_PROGRAM),
    variable("RESOURCES_DIR", "", Refused, ANY, STAGE),
    variable("TOOL_BINS_DIR", "", Needless, ANY, ONE_PROGRAM),
    variable("TOOLKIT_BINS_DIR", "", Needless, ANY, ONE_PROGRAM),
    variable("MANIFESTS_DIR", "", Refused, ANY, STAGE),
    variable("TOOLCHAIN_MANIFESTS_DIR", "", Refused, ANY, STAGE),
    variable("META_USER_DATA_DIR", "", Needless, ANY, "there is no target `meta-user-data`"),
    variable("LOGS_DIR", "", Needless, ANY, FIXED),
    variable("PKGBUILD_DIR", "", Needless, ANY, FIXED),
    variable("CACHED_RPMS_DIR", "", Needless, ANY, FIXED),
    variable("BUILD_SRPMS_DIR", "", Refused, ANY, "SRPMs are in `SRPMS` below `--out-dir`"),
    variable("BUILD_SPECS_DIR", "", Needless, ANY, FIXED),
    variable("MACRO_DIR", "", Refused, ANY, "name files in the pipeline's `packages.macro-files`"),
    variable("RPMRC_DIR", "", Refused, ANY, "the toolchain image has its own"),
    variable("STATUS_FLAGS_DIR", "", Needless, ANY, FIXED),
    variable("CHROOT_DIR", "", Needless, ANY, FIXED),
    variable("IMAGEGEN_DIR", "", Needless, ANY, FIXED),
    variable("TOOLCHAIN_RPMS_DIR", "", Refused, ANY, "name it in the pipeline, in `folders` of a stage's `rpms`"),
    variable("TIMESTAMP_DIR", "", Needless, ANY, FIXED),
    variable("PROFILE_DIR", "", Needless, ANY, FIXED),
    variable("REPO_QUERY_DIR", "", Needless, ANY, FIXED),
    variable("RPMS_DIR", "", Refused, ANY, FIXED_OUT),
    variable("SRPMS_DIR", "", Refused, ANY, FIXED_OUT),
    variable("IMAGES_DIR", "", Refused, ANY, FIXED_OUT),
    variable("CCACHE_DIR", "", Needless, ANY, "there is no ccache"),
    variable("CCACHE_CONFIG", "", Needless, ANY, "there is no ccache"),
    variable("PRECACHER_SNAPSHOT", "", Needless, ANY, FIXED),
    variable("CONFIG_FILE", "", Goal("`build --image`, `image`"), ANY, "packages that no spec makes are told; when no spec makes any, say `REBUILD_PACKAGES=n`"),
    variable("CONFIG_BASE_DIR", "", Refused, ANY, "paths in a configuration count from its own folder"),
    variable("PACKAGE_BUILD_LIST", "", Goal("names"), GOALS, "empty with no other list: every spec, `--all`"),
    variable("PACKAGE_REBUILD_LIST", "", Words("--rebuild"), BUILD, "what needs them is built again only when they come out different"),
    variable("PACKAGE_IGNORE_LIST", "", Words("--ignore"), BUILD, "an unknown name is an error"),
    variable("SRPM_PACK_LIST", "", Goal("names"), PACKED, "names of specs; for `build` the goals when no other list is given, and other specs still count for dependencies"),
    variable("TEST_RUN_LIST", "", Goal("`--check-only`"), BUILD, "with `RUN_CHECK=y` only"),
    variable("TEST_RERUN_LIST", "", Goal("`--check-only`, `--rebuild`"), BUILD, "with `RUN_CHECK=y` only; a check runs in a build, so the package is built again"),
    variable("TEST_IGNORE_LIST", "", Goal("`--check-ignore`"), BUILD, "with `RUN_CHECK=y` only"),
    variable("EXTRA_BUILD_LAYERS", "0", Value("--extra-layers"), BUILD, ""),
    variable("EXTRA_MACROS_FILES", "", Refused, ANY, "name them in the pipeline's `packages.macro-files`"),
    variable("TARGET_ARCH", "", Refused, ANY, "packages are built for the machine's own architecture"),
    variable("REBUILD_PACKAGES", "y", Goal("`n`: no `build`"), ANY, ""),
    variable("REBUILD_TOOLCHAIN", "n", Needless, ANY, "a stage is made when its inputs have changed"),
    variable("REBUILD_TOOLS", "n", Needless, ANY, ONE_PROGRAM),
    variable("REBUILD_DEP_CHAINS", "y", Dead, ANY, "see `MAX_CASCADING_REBUILDS`"),
    variable("RUN_CHECK", "n", Goal("`--check-all --check warn`; `n`: `--check off`"), BUILD, "a failed check does not change the exit code, as there; `drydock build --check fail` does"),
    variable("QUICK_REBUILD", "n", Refused, ANY, REMOTE_RESULTS),
    variable("QUICK_REBUILD_TOOLCHAIN", "n", Refused, ANY, STAGE),
    variable("QUICK_REBUILD_PACKAGES", "n", Refused, ANY, REMOTE_RESULTS),
    variable("DELTA_BUILD", "n", Refused, ANY, REMOTE_RESULTS),
    variable("DELTA_FETCH", "n", Refused, ANY, REMOTE_RESULTS),
    variable("PRECACHE", "n", Needless, ANY, "packages are downloaded when they are needed"),
    variable("PRECACHER_NON_FATAL", "y", Needless, ANY, "packages are downloaded when they are needed"),
    variable("MAX_CASCADING_REBUILDS", "", Value("--cascade"), BUILD, ""),
    variable("HYDRATED_BUILD", "n", Refused, ANY, "a package whose inputs have changed is built; `PACKAGE_IGNORE_LIST` takes the last result of one"),
    variable("USE_PACKAGE_BUILD_CACHE", "y", Goal("`n`: `--rebuild` for each name"), BUILD, "`n` needs names"),
    variable("ALLOW_TOOLCHAIN_REBUILDS", "n", Needless, ANY, "what the toolchain image has stays as it is"),
    variable("RESOLVE_CYCLES_FROM_UPSTREAM", "n", Refused, ANY, "a cycle is told with its ways out"),
    variable("IGNORE_VERSION_TO_RESOLVE_SELFDEP", "n", Refused, ANY, "a cycle is told with its ways out"),
    variable("STOP_ON_PKG_FAIL", "n", Choice(&[("n", ""), ("y", "--stop-on-failure")]), BUILD, "builds that run are finished"),
    variable("STOP_ON_FETCH_FAIL", "n", Needless, ANY, "all that is missing is told before the first build"),
    variable("STOP_ON_WARNING", "n", Dead, ANY, "nothing warns there any more"),
    variable("PACKAGE_BUILD_RETRIES", "0", Value("--retries"), BUILD, ""),
    variable("CHECK_BUILD_RETRIES", "0", Refused, ANY, "a check runs in its build: `PACKAGE_BUILD_RETRIES`"),
    variable("PACKAGE_BUILD_TIMEOUT", "8h", Seconds("--timeout"), BUILD, "of each attempt, and not of all together"),
    variable("CONCURRENT_PACKAGE_BUILDS", "0", Value("--jobs"), BUILD, "`0` is Drydock's own choice: half of the processors, but two where there are two"),
    variable("MAX_CPU", "", Needless, ANY, "it changes no result; `CONCURRENT_PACKAGE_BUILDS` limits the load, `drydock build --cpus` the processes"),
    variable("CLEANUP_PACKAGE_BUILDS", "y", Needless, ANY, SHELL),
    variable("NUM_OF_ANALYTICS_RESULTS", "10", Needless, ANY, "there is no target `analyze-built-graph`"),
    variable("USE_CCACHE", "n", Needless, ANY, "there is no ccache"),
    variable("REFRESH_WORKER_CHROOT", "y", Needless, ANY, NEVER_STALE),
    variable("ENABLE_CPU_PROFILE", "n", Needless, ANY, ONE_PROGRAM),
    variable("ENABLE_MEM_PROFILE", "n", Needless, ANY, ONE_PROGRAM),
    variable("ENABLE_TRACE", "n", Needless, ANY, ONE_PROGRAM),
    variable("BUILD_TOOLS_NONPROD", "n", Needless, ANY, ONE_PROGRAM),
    variable("LOG_LEVEL", "info", Choice(&[("panic", ""), ("fatal", ""), ("error", ""), ("warn", ""), ("info", ""), ("debug", "-v"), ("trace", "-vv")]), ANY, ""),
    variable("LOG_COLOR", "auto", Needless, ANY, "`NO_COLOR` is respected"),
    variable("ARCHIVE_TOOL", "", Needless, ANY, ONE_PROGRAM),
    variable("SOURCE_URL", "", Words("--source-url"), FETCHING, "several may be given; no server is asked by default; the spec's URL is tried after it"),
    variable("SOURCE_AUTH_MODE", "anonymous", Refused, ANY, "take a token with `drydock srpm --source-token-file`, or in `DRYDOCK_SOURCE_TOKEN`"),
    variable("SRPM_FILE_SIGNATURE_HANDLING", "enforce", Goal("`--signatures`"), FETCHING, "`update` for `build`: `srpm --signatures update` first"),
    variable("DOWNLOAD_SRPMS", "n", Goal("`--download-srpms`"), SRPM, "refused for `build`, which builds from specs; an SRPM that no URL has is packed"),
    variable("SRPM_URL_LIST", "", Goal("`--srpm-url`"), SRPM, "with `DOWNLOAD_SRPMS=y` only; no server is asked by default"),
    variable("ALLOW_SRPM_DOWNLOAD_FAIL", "n", Dead, ANY, "an SRPM that no URL has is packed"),
    variable("TOOLCHAIN_SOURCES_ARCHIVE", "", Dead, ANY, STAGE),
    variable("PACKAGE_URL_LIST", "", Refused, ANY, REPOSITORY),
    variable("REPO_LIST", "", Words("--repo"), BUILD, "in the order of the words"),
    variable("USE_PREVIEW_REPO", "n", Refused, ANY, REPOSITORY),
    variable("DISABLE_UPSTREAM_REPOS", "n", Choice(&[("n", ""), ("y", "--no-remote")]), BUILD, ""),
    variable("DISABLE_DEFAULT_REPOS", "n", Needless, ANY, "no repository is used by default"),
    variable("REPO_SNAPSHOT_TIME", "", Value("--repo-snapshot-time"), BUILD, ""),
    variable("DAILY_BUILD_ID", "", Refused, ANY, REPOSITORY),
    variable("DAILY_BUILD_ID_UPDATE_MANIFESTS", "n", Refused, ANY, "nothing is written into the checkout"),
    variable("DAILY_BUILD_REPO", "", Value("--repo"), BUILD, ""),
    variable("DAILY_BUILD_SKIP_TOOLCHAIN_AUTO_CLEANUP", "n", Needless, ANY, NEVER_STALE),
    variable("CA_CERT", "", Value("--source-ca"), FETCHING, "needs a mirror: `SOURCE_URL`"),
    variable("TLS_CERT", "", Value("--source-client-cert"), FETCHING, "shown to mirrors only"),
    variable("TLS_KEY", "", Value("--source-client-key"), FETCHING, ""),
    variable("CACHED_PACKAGES_ARCHIVE", "", Needless, ANY, "there is no target that reads it"),
    variable("PACKAGE_ARCHIVE", "", Needless, ANY, "there is no target that reads it"),
    variable("CACHE_DIR", "", Needless, ANY, "there is no target that writes it"),
    variable("TOOLCHAIN_ARCHIVE", "", Goal("`toolchain import`"), ANY, "for `hydrate-toolchain`; elsewhere name it in the pipeline, as `archive` of a stage's `base`"),
    variable("TOOLCHAIN_CONTAINER_ARCHIVE", "", Refused, ANY, "name it in the pipeline, as `archive` of a stage's `base`"),
    variable("INCREMENTAL_TOOLCHAIN", "n", Needless, ANY, "a stage goes on with the first step that is not finished"),
    variable("ALLOW_TOOLCHAIN_DOWNLOAD_FAIL", "n", Refused, ANY, "all RPMs that cannot be had are told at once, and no toolchain is made without them"),
    variable("TOOLCHAIN_MANIFEST", "", Refused, ANY, "name it in the pipeline, as `manifest` of a stage's `rpms`"),
    variable("WORKER_CHROOT_MANIFEST", "", Refused, ANY, STAGE),
    variable("UPDATE_TOOLCHAIN_LIST", "n", Refused, ANY, "nothing is written into the checkout"),
    variable("VALIDATE_TOOLCHAIN_GPG", "y", Needless, ANY, "it is checked; `gpg-check: false` of a stage's `rpms` takes RPMs whoever made them"),
    variable("TOOLCHAIN_GPG_VALIDATION_KEYS", "", Refused, ANY, "name them in the pipeline, in `gpg-keys` of a stage's `rpms`"),
    variable("CLEAN_TOOLCHAIN_CONTAINERS", "n", Needless, ANY, "no container is left after its command"),
    variable("IMAGE_TAG", "", Refused, ANY, RELEASE),
    variable("UNATTENDED_INSTALLER", "n", Refused, ANY, "say it in the image configuration"),
    variable("VALIDATE_IMAGE_GPG", "n", Refused, ANY, "signatures of RPMs are not checked; each RPM is named by its digest"),
    variable("IMAGE_GPG_VALIDATION_KEYS", "", Needless, ANY, "signatures of RPMs are not checked"),
    variable("SSH_KEY_FILE", "", Needless, ANY, "there is no target `meta-user-data`"),
    variable("PACKAGE_CACHE_SUMMARY", "", Refused, ANY, LOCKED),
    variable("IMAGE_CACHE_SUMMARY", "", Refused, ANY, LOCKED),
    variable("INITRD_CACHE_SUMMARY", "", Refused, ANY, LOCKED),
    variable("LICENSE_CHECK_MODE", "none", Refused, ANY, LICENSES),
    variable("LICENSE_CHECK_DIRS", "", Needless, ANY, LICENSES),
    variable("LICENSE_CHECK_EXCEPTION_FILE", "", Needless, ANY, LICENSES),
    variable("LICENSE_CHECK_NAME_FILE", "", Needless, ANY, LICENSES),
    variable("BUILD_NUMBER", "", Needless, ANY, RELEASE),
    variable("RELEASE_MAJOR_ID", "", Refused, ANY, RELEASE),
    variable("RELEASE_MINOR_ID", "", Refused, ANY, RELEASE),
    variable("RELEASE_VERSION", "", Refused, ANY, RELEASE),
    variable("DIST_NAME_ABRV", "", Refused, ANY, PIPELINE_MACRO),
    variable("DIST_TAG", "", Refused, ANY, PIPELINE_MACRO),
    variable("DIST_VERSION_MACRO", "", Refused, ANY, PIPELINE_MACRO),
    variable("IMAGE_CUSTOMIZER_VERSION_PREVIEW", "", Needless, ANY, ONE_PROGRAM),
    variable("image_customizer_version", "", Needless, ANY, ONE_PROGRAM),
    variable("QUERY_INPUT_FILE", "", Needless, ANY, "there is no target `repo-query`"),
    variable("QUERY_CMD", "", Needless, ANY, "there is no target `repo-query`"),
    variable("QUERY_OUTPUT_FILE", "", Needless, ANY, "there is no target `repo-query`"),
    variable("MODE", "", Needless, ANY, SHELL),
    variable("REPO_PATH", "", Needless, ANY, SHELL),
    variable("VERSION", "", Needless, ANY, SHELL),
    variable("MOUNTS", "", Needless, ANY, SHELL),
    variable("BUILD_MOUNT", "", Needless, ANY, SHELL),
    variable("EXTRA_PACKAGES", "", Needless, ANY, SHELL),
    variable("ENABLE_REPO", "", Needless, ANY, SHELL),
    variable("KEEP_CONTAINER", "", Needless, ANY, SHELL),
    variable("QUIET", "", Needless, ANY, SHELL),
];

#[allow(clippy::too_many_arguments, reason = "the columns of a table")]
const fn variable(
    name: &'static str,
    default: &'static str,
    means: Means,
    of: &'static [&'static str],
    remark: &'static str,
) -> Variable {
    Variable { name, default, means, of, remark }
}

impl Variable {
    /// True when it becomes arguments: these count in the environment, too.
    pub(super) fn is_translated(&self) -> bool {
        !matches!(self.means, Needless | Dead | Refused)
    }

    /// What it is here, for people.
    pub(super) fn describe(&self) -> String {
        let flag = |flag: &str| format!("`{flag}`");
        match self.means {
            Value(name) | Global(name) | Seconds(name) => flag(name),
            Words(name) => format!("`{name}` for each word"),
            Goal(text) => text.to_owned(),
            Needless => "not needed".to_owned(),
            Dead => "dead".to_owned(),
            Refused => "refused".to_owned(),
            Choice(values) => {
                let given = values.iter().filter(|(_, arguments)| !arguments.is_empty());
                given.map(|(value, arguments)| format!("`{value}`: `{arguments}`")).collect::<Vec<_>>().join(", ")
            }
        }
    }
}
