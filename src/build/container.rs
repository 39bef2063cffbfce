//! What the containers of a package are given: pure functions from a package to [`ContainerSpec`]s.
//!
//! A build runs as user `builder`, without network, in the image with its `BuildRequires`; it sees one folder of ours,
//! read-only: three scripts, the spec and its sources. Installing `BuildRequires` runs as root, without network, and sees
//! the RPMs, read-only, one by one. No host path, limit or count of processors enters what rpmbuild makes. Where the run has a
//! jobserver, a build sees its named pipe, too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::engine::{
    Capabilities, ContainerSpec, GuestPath, HostPath, ImageId, Limits, Mount, Network, RelativePath, User,
};
use crate::plan::Exception;
use crate::spec::SourcePackage;
use crate::toolchain::MacroFile;

/// The script that runs rpmbuild.
pub(super) const BUILD_SCRIPT: (&str, &str) = ("build.sh", include_str!("build.sh"));
/// What scripts have in common that work on the sources.
pub(super) const SETUP_SCRIPT: (&str, &str) = ("setup.sh", include_str!("setup.sh"));
/// The script that runs `%check`.
pub(super) const CHECK_SCRIPT: (&str, &str) = ("check.sh", include_str!("check.sh"));
/// Where a build's container sees its read-only folder.
pub(super) const INPUTS: &str = "/drydock";
/// Where a build's container sees the pipe of the run's jobserver.
const JOBSERVER: &str = "/drydock-jobserver";
/// Where the scripts work; writable for every user in any image.
const TOP: &str = "/var/tmp/drydock";
/// Packages without changelog are dated 1980-01-01, the first day that every archive format can hold.
const NO_CHANGELOG_TIME: i64 = 315_532_800;
const HALF_DAY: i64 = 43_200;
const DAY: i64 = 86_400;

/// Exit status of rpmbuild when `%generate_buildrequires` asked for more than is installed.
pub(super) const MORE_BUILD_REQUIRES: i32 = 11;

/// What a failing `%check` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// `%check` does not run.
    Off,
    /// The packages are made, and the failure is told.
    Warn,
    /// The build fails.
    Fail,
}

/// One run of rpmbuild.
pub(super) struct PackageBuild<'a> {
    pub(super) package: &'a SourcePackage,
    /// The image with its `BuildRequires`.
    pub(super) image: ImageId,
    /// RPM macros of the run.
    pub(super) macros: &'a BTreeMap<String, String>,
    /// Files of macros, which lie in `macros/` of `inputs`.
    pub(super) macro_files: &'a [MacroFile],
    pub(super) check: Check,
    /// What it may do that others may not.
    pub(super) exceptions: &'a BTreeSet<Exception>,
    /// How many processes the build may start at a time, where it has no jobserver.
    pub(super) cpus: usize,
    /// The named pipe of the run's jobserver.
    pub(super) jobserver: Option<&'a Path>,
    pub(super) limits: Limits,
    /// The host folder that it sees: the scripts, `sources/` and `macros/`.
    pub(super) inputs: &'a Path,
}

/// The container that builds a package.
pub(super) fn package_container(build: &PackageBuild<'_>) -> Result<ContainerSpec, RelativePath> {
    rpmbuild(build, &["-ba"])
}

/// The container that packs a source package: its image needs no `BuildRequires`.
pub(super) fn source_container(build: &PackageBuild<'_>) -> Result<ContainerSpec, RelativePath> {
    rpmbuild(build, &["-bs", "--nodeps"])
}

fn rpmbuild(build: &PackageBuild<'_>, what: &[&str]) -> Result<ContainerSpec, RelativePath> {
    let script = format!("{INPUTS}/{}", BUILD_SCRIPT.0);
    let nevra = &build.package.nevra;
    let srpm = format!("{}-{}-{}", nevra.name, nevra.evr.version, nevra.evr.release);
    let mut argv = vec!["/bin/sh".to_owned(), script, format!("{}.spec", build.package.spec), srpm];
    argv.extend(what.iter().map(|word| (*word).to_owned()));
    if build.check == Check::Off {
        argv.push("--nocheck".to_owned());
    }
    for file in build.macro_files {
        argv.push(format!("--load={INPUTS}/macros/{}", file.name));
    }
    for (name, value) in macros(build) {
        argv.extend(["--define".to_owned(), format!("{name} {value}")]);
    }
    in_buildroot(build, argv)
}

/// The container that runs `argv` where a package is built.
pub(super) fn in_buildroot(build: &PackageBuild<'_>, argv: Vec<String>) -> Result<ContainerSpec, RelativePath> {
    let allows = |exception| build.exceptions.contains(&exception);
    let time = source_date_epoch(build.package.changelog_time).to_string();
    let cpus = build.cpus.to_string();
    let read_only = |host: &Path, guest| {
        Ok::<_, RelativePath>(Mount::ReadOnly { host: HostPath::new(host)?, guest: GuestPath::new(guest)? })
    };
    let mut mounts = vec![read_only(build.inputs, INPUTS)?];
    if let Some(pipe) = build.jobserver {
        mounts.push(read_only(pipe, JOBSERVER)?);
    }
    Ok(ContainerSpec {
        image: build.image,
        argv,
        env: environment([("SOURCE_DATE_EPOCH", time.as_str()), ("RPM_BUILD_NCPUS", cpus.as_str())]),
        user: if allows(Exception::Root) { User::Root } else { User::Named("builder".to_owned()) },
        workdir: GuestPath::new("/")?,
        mounts,
        network: if allows(Exception::NetworkInCheck) { Network::Outside } else { Network::None },
        capabilities: Capabilities::Default,
        limits: build.limits,
    })
}

/// Where a build's container leaves its RPMs and `check-status`.
pub(super) fn output_folder() -> Result<GuestPath, RelativePath> {
    GuestPath::new(format!("{TOP}/out"))
}

/// The container that installs `rpms` over `image`.
pub(super) fn install_container(image: ImageId, rpms: &[&Path], limits: Limits) -> Result<ContainerSpec, RelativePath> {
    // The store knows each RPM by its digest; no key is needed.
    let mut argv = vec!["rpm".to_owned(), "--install".to_owned(), "--nosignature".to_owned()];
    let mut mounts = Vec::new();
    for rpm in rpms {
        let file = rpm.file_name().unwrap_or_default().to_string_lossy();
        let guest = GuestPath::new(format!("{INPUTS}/rpms/{file}"))?;
        argv.push(guest.as_str().to_owned());
        mounts.push(Mount::ReadOnly { host: HostPath::new(*rpm)?, guest });
    }
    Ok(ContainerSpec {
        image,
        argv,
        env: environment([]),
        user: User::Root,
        workdir: GuestPath::new("/")?,
        mounts,
        network: Network::None,
        capabilities: Capabilities::Default,
        limits,
    })
}

fn environment<const N: usize>(more: [(&str, &str); N]) -> BTreeMap<String, String> {
    let fixed = [("LC_ALL", "C.UTF-8"), ("TZ", "UTC")];
    fixed.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The macros of a build: those of the run, then ours, which win.
///
/// The header of a source package holds the expanded spec. So how many processes run stands there as the shell variable
/// that has the number, and never as the number. A spec or pipeline that needs one sets `_smp_build_ncpus` itself.
pub(super) fn macros(build: &PackageBuild<'_>) -> BTreeMap<String, String> {
    let mut macros = build.macros.clone();
    let own_number = build.macros.get("_smp_build_ncpus");
    let (ncpus, flags) = match own_number {
        Some(number) => (number.as_str(), "-j%{_smp_build_ncpus}"),
        // `build.sh` sets the first variable where make can use the jobserver.
        None => ("${RPM_BUILD_NCPUS}", "${RPM_BUILD_JOBSERVER:--j${RPM_BUILD_NCPUS}}"),
    };
    // RPM's own threads, which read a number; their count changes no package.
    let threads = build.cpus.to_string();
    let with_check = if build.check == Check::Off { "0" } else { "1" };
    let ours = [
        ("_topdir", TOP),
        ("_tmppath", "/var/tmp/drydock/tmp"),
        ("_smp_build_ncpus", ncpus),
        ("_smp_build_nthreads", &threads),
        ("_smp_mflags", flags),
        ("_buildhost", "drydock"),
        ("use_source_date_epoch_as_buildtime", "1"),
        ("source_date_epoch_from_changelog", "1"),
        // Before and since RPM 4.20.
        ("clamp_mtime_to_source_date_epoch", "1"),
        ("build_mtime_policy", "clamp_to_source_date_epoch"),
        ("with_check", with_check),
    ];
    macros.extend(ours.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let on_failure = match build.check {
        Check::Off => return macros,
        Check::Warn => "keep",
        Check::Fail => "stop",
    };
    let command = format!("/bin/sh {INPUTS}/{} {on_failure} %{{___build_cmd}}", CHECK_SCRIPT.0);
    macros.insert("__spec_check_cmd".to_owned(), command);
    // The check macros of Azure Linux put `set +e` there, and then only the last command of `%check` counts.
    macros.insert("__spec_check_body".to_owned(), "%{nil}".to_owned());
    macros
}

/// The time that a build takes for now: midnight of the newest changelog entry, as rpmbuild itself takes it. RPM dates
/// entries that name only a day at noon.
fn source_date_epoch(changelog_time: Option<i64>) -> i64 {
    match changelog_time {
        None => NO_CHANGELOG_TIME,
        Some(time) if time.rem_euclid(DAY) == HALF_DAY => time - HALF_DAY,
        Some(time) => time,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::digest::Sha256;
    pub(in crate::build) use crate::spec::zlib as package;

    fn container(check: Check) -> ContainerSpec {
        package_container(&PackageBuild {
            package: &package(),
            image: ImageId::Derived(Sha256::of_bytes(b"image")),
            macros: &BTreeMap::from([("dist".into(), ".dd1".into()), ("_buildhost".into(), "theirs".into())]),
            macro_files: &[],
            check,
            cpus: 2,
            exceptions: &BTreeSet::new(),
            jobserver: None,
            limits: Limits::default(),
            inputs: Path::new("/project/zlib"),
        })
        .unwrap()
    }

    #[test]
    fn a_build_sees_one_read_only_folder_and_no_network() {
        let spec = container(Check::Off);
        assert_eq!(spec.network, Network::None);
        assert_eq!(spec.user, User::Named("builder".into()));
        assert_eq!(spec.env["SOURCE_DATE_EPOCH"], "1768435200");
        assert_eq!(spec.env["RPM_BUILD_NCPUS"], "2");
        insta::assert_debug_snapshot!(spec.mounts, @r#"
        [
            ReadOnly {
                host: HostPath(
                    "/project/zlib",
                ),
                guest: GuestPath(
                    "/drydock",
                ),
            },
        ]
        "#);
        insta::assert_snapshot!(spec.argv.join("\n"), @"
        /bin/sh
        /drydock/build.sh
        zlib.spec
        zlib-1.3-1
        -ba
        --nocheck
        --define
        _buildhost drydock
        --define
        _smp_build_ncpus ${RPM_BUILD_NCPUS}
        --define
        _smp_build_nthreads 2
        --define
        _smp_mflags ${RPM_BUILD_JOBSERVER:--j${RPM_BUILD_NCPUS}}
        --define
        _tmppath /var/tmp/drydock/tmp
        --define
        _topdir /var/tmp/drydock
        --define
        build_mtime_policy clamp_to_source_date_epoch
        --define
        clamp_mtime_to_source_date_epoch 1
        --define
        dist .dd1
        --define
        source_date_epoch_from_changelog 1
        --define
        use_source_date_epoch_as_buildtime 1
        --define
        with_check 0
        ");
    }

    #[test]
    fn the_jobserver_is_the_only_other_thing_that_a_build_sees() {
        let (package, macros) = (package(), BTreeMap::from([("_smp_build_ncpus".to_owned(), "3".to_owned())]));
        let mut build = PackageBuild {
            package: &package,
            image: ImageId::Derived(Sha256::of_bytes(b"image")),
            macros: &macros,
            macro_files: &[],
            check: Check::Off,
            cpus: 2,
            exceptions: &BTreeSet::new(),
            jobserver: Some(Path::new("/project/zlib/jobserver")),
            limits: Limits::default(),
            inputs: Path::new("/project/zlib/inputs"),
        };
        let spec = package_container(&build).unwrap();
        let (host, guest) = ("/project/zlib/jobserver", "/drydock-jobserver");
        let pipe = Mount::ReadOnly { host: HostPath::new(host).unwrap(), guest: GuestPath::new(guest).unwrap() };
        assert_eq!(spec.mounts[1..], [pipe]);
        assert!(spec.argv.contains(&"_smp_build_ncpus 3".to_owned()), "the pipeline says so: {:?}", spec.argv);
        assert!(spec.argv.contains(&"_smp_mflags -j%{_smp_build_ncpus}".to_owned()));
        build.jobserver = None;
        assert_eq!(package_container(&build).unwrap().mounts.len(), 1);
    }

    #[test]
    fn macro_files_are_loaded_before_macros_are_defined() {
        let file = MacroFile { name: "00-macros".into(), path: "/m".into(), digest: Sha256::of_bytes(b"") };
        let (package, macros) = (package(), BTreeMap::new());
        let image = ImageId::Derived(Sha256::of_bytes(b"image"));
        let (limits, inputs) = (Limits::default(), Path::new("/project/zlib"));
        let macro_files = &[file];
        let build = PackageBuild {
            package: &package,
            image,
            macros: &macros,
            macro_files,
            check: Check::Off,
            cpus: 2,
            exceptions: &BTreeSet::new(),
            jobserver: None,
            limits,
            inputs,
        };
        let argv = package_container(&build).unwrap().argv;
        let place = |word: &str| argv.iter().position(|argument| argument == word).unwrap();
        assert!(place("--load=/drydock/macros/00-macros") < place("--define"));
    }

    #[test]
    fn a_check_runs_through_our_script() {
        let argv = container(Check::Warn).argv;
        assert!(!argv.contains(&"--nocheck".to_owned()));
        assert!(argv.contains(&"with_check 1".to_owned()));
        assert!(argv.contains(&"__spec_check_body %{nil}".to_owned()));
        assert!(argv.contains(&"__spec_check_cmd /bin/sh /drydock/check.sh keep %{___build_cmd}".to_owned()));
        let argv = container(Check::Fail).argv;
        assert!(argv.contains(&"__spec_check_cmd /bin/sh /drydock/check.sh stop %{___build_cmd}".to_owned()));
    }

    #[test]
    fn build_requires_are_mounted_one_by_one() {
        let image = ImageId::Stored(Sha256::of_bytes(b"image"));
        let rpms = [Path::new("/store/k1/rpms/a-1-1.noarch.rpm"), Path::new("/store/k2/rpms/b-1-1.noarch.rpm")];
        let spec = install_container(image, &rpms, Limits::default()).unwrap();
        assert_eq!(spec.user, User::Root);
        assert_eq!(spec.network, Network::None);
        assert_eq!(spec.mounts.len(), 2);
        assert_eq!(
            spec.argv,
            ["rpm", "--install", "--nosignature", "/drydock/rpms/a-1-1.noarch.rpm", "/drydock/rpms/b-1-1.noarch.rpm"]
        );
    }

    #[test]
    fn a_package_without_changelog_has_a_date() {
        assert_eq!(source_date_epoch(None), NO_CHANGELOG_TIME);
        assert_eq!(source_date_epoch(Some(1_768_478_401)), 1_768_478_401);
    }
}
