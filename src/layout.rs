//! Every path that Drydock writes below a project; no other module joins these folder names.

use std::path::{Path, PathBuf};

/// The file at a project's top that pins remote packages and base images.
pub const LOCK_FILE: &str = "drydock.lock";

/// The folders of one project and of its user.
#[derive(Clone, Debug)]
pub struct Layout {
    build: PathBuf,
    out: PathBuf,
    cache: PathBuf,
    /// The build folder of the whole project: images, which are named by their content, are kept there once.
    shared: PathBuf,
    /// The folder of finished results.
    store: PathBuf,
    /// The build folder of those packages that these are, or are compared with.
    read: PathBuf,
}

impl Layout {
    /// A layout with intermediate files in `build`, results in `out` and the user's cache in `cache`; all absolute.
    pub fn new(build: PathBuf, out: PathBuf, cache: PathBuf) -> Self {
        Self { shared: build.clone(), store: build.join("store"), read: build.clone(), build, out, cache }
    }

    /// The folders of all toolchain stages that are made of packages.
    pub fn stages(&self) -> PathBuf {
        self.shared.join("stages")
    }

    /// The folders of the packages of the toolchain stage `stage`: RPMs, records and logs of its own, since the same spec
    /// may be built in several stages.
    #[must_use]
    pub fn of_stage(&self, stage: &str) -> Self {
        let build = self.stages().join(stage);
        Self { out: build.clone(), read: build.clone(), build, ..self.clone() }
    }

    /// The folders of packages that are built again to be compared with those of this layout: a store of its own, too.
    #[must_use]
    pub fn for_verification(&self) -> Self {
        let build = self.build.join("verify");
        Self { out: build.clone(), store: build.join("store"), build, ..self.clone() }
    }

    /// The folder of all intermediate files.
    pub fn build(&self) -> &Path {
        &self.build
    }

    /// Built RPMs by arch, with `repodata/`.
    pub fn rpms(&self) -> PathBuf {
        self.out.join("RPMS")
    }

    /// Source packages that were packed by themselves.
    pub fn srpms(&self) -> PathBuf {
        self.out.join("SRPMS")
    }

    /// Finished disk images, a folder per image configuration.
    pub fn images(&self) -> PathBuf {
        self.out.join("images")
    }

    /// Finished results by build key.
    pub fn store(&self) -> PathBuf {
        self.store.clone()
    }

    /// The OCI image layout that holds every toolchain image.
    pub fn oci(&self) -> PathBuf {
        self.shared.join("oci")
    }

    /// Unpacked layers and containers of the embedded engine.
    pub fn embedded(&self) -> PathBuf {
        self.shared.join("embedded")
    }

    /// Folders of work in progress of the one process that has the lock; whatever a killed run left here is removed when
    /// the same is made again.
    pub fn work(&self) -> PathBuf {
        self.build.join("work")
    }

    /// Folders of work in progress that each belong to one process ([`crate::scratch`]).
    pub fn scratch(&self) -> PathBuf {
        self.work().join("scratch")
    }

    /// Caches of parsed specs, provides, durations.
    pub fn state(&self) -> PathBuf {
        self.build.join("state")
    }

    /// What was read of specs; for packages that are built again as for those that they are compared with.
    pub fn spec_state(&self) -> PathBuf {
        self.read.join("state")
    }

    /// What is known of finished toolchain stages, of whatever packages this layout is.
    pub fn toolchain_state(&self) -> PathBuf {
        self.shared.join("state")
    }

    /// The file that the one process has locked that gives the project's images to a registry.
    pub fn push_lock(&self) -> PathBuf {
        self.shared.join("state/push-lock")
    }

    /// The file that the one process has locked that works on the project.
    pub fn lock(&self) -> PathBuf {
        self.shared.join("state/lock")
    }

    /// How each package of the last run of builds ended.
    pub fn build_state_json(&self) -> PathBuf {
        self.build.join("build-state.json")
    }

    /// The same as a table.
    pub fn build_state_csv(&self) -> PathBuf {
        self.build.join("build-state.csv")
    }

    /// The logs of package builds.
    pub fn package_logs(&self) -> PathBuf {
        self.build.join("logs/pkggen/rpmbuilding")
    }

    /// The log of the build of `spec`, whose source package is `srpm`, a file name without `.src.rpm`.
    pub fn package_log(&self, spec: &str, srpm: &str) -> PathBuf {
        self.package_logs().join(log_name(spec, srpm))
    }

    /// The log of packing the source package `srpm` of `spec`.
    pub fn srpm_log(&self, spec: &str, srpm: &str) -> PathBuf {
        self.build.join("logs/pkggen/srpms").join(log_name(spec, srpm))
    }

    /// Which source package of each spec is in [`Layout::srpms`].
    pub fn srpm_records(&self) -> PathBuf {
        self.state().join("srpms")
    }

    /// The log of the image made from the configuration `name`.
    pub fn image_log(&self, name: &str) -> PathBuf {
        self.build.join("logs/imggen").join(format!("{name}.log"))
    }

    /// The inputs and results of the image that was made last from the configuration `name`.
    pub fn image_record(&self, name: &str) -> PathBuf {
        self.state().join("images").join(format!("{name}.json"))
    }

    /// What started images said on their consoles.
    pub fn boot_logs(&self) -> PathBuf {
        self.build.join("logs/boot")
    }

    /// The log of the toolchain stage `stage`.
    pub fn stage_log(&self, stage: &str) -> PathBuf {
        self.shared.join("logs/toolchain").join(format!("{stage}.log"))
    }

    /// The user's cache.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Downloaded sources, named by their SHA-256; shared by all projects of the user.
    pub fn sources(&self) -> PathBuf {
        self.cache.join("sources")
    }

    /// Metadata and RPMs of remote repositories, named by their SHA-256; shared by all projects of the user.
    pub fn remote(&self) -> PathBuf {
        self.cache.join("remote")
    }

    /// Downloaded indexes of package archives; shared by all projects of the user.
    pub fn indexes(&self) -> PathBuf {
        self.cache.join("indexes")
    }
}

/// How the names of source packages end, and after them those of logs.
const SRPM: &str = ".src.rpm";
const LOG: &str = ".log";

/// `NAME-VERSION-RELEASE.src.rpm.log`, with `.SPEC` before `.log` where the spec is not called as the package is: several
/// specs may make source packages of one name.
fn log_name(spec: &str, srpm: &str) -> String {
    let is_of_name = package_of(srpm) == Some(spec);
    if is_of_name { format!("{srpm}{SRPM}{LOG}") } else { format!("{srpm}{SRPM}.{spec}{LOG}") }
}

/// The spec and the package whose log has the file name `name`; None where it is no log of a package.
pub fn spec_of_log(name: &str) -> Option<(&str, &str)> {
    let (srpm, rest) = name.strip_suffix(LOG)?.split_once(SRPM)?;
    let package = package_of(srpm)?;
    Some((rest.strip_prefix('.').unwrap_or(package), package))
}

/// The name of the package; neither version nor release has a `-`.
fn package_of(srpm: &str) -> Option<&str> {
    srpm.rsplitn(3, '-').nth(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spec_has_a_log_of_its_own() {
        let layout = Layout::new("/b".into(), "/o".into(), "/c".into());
        let log =
            |spec| layout.package_log(spec, "py-twin-1-1.dd1").file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(log("py-twin"), "py-twin-1-1.dd1.src.rpm.log");
        assert_eq!(log("twin-b"), "py-twin-1-1.dd1.src.rpm.twin-b.log");
        assert_eq!(spec_of_log(&log("py-twin")), Some(("py-twin", "py-twin")));
        assert_eq!(spec_of_log(&log("twin-b")), Some(("twin-b", "py-twin")));
        assert_eq!(spec_of_log("notes.log"), None);
    }
}
