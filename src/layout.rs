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
}

impl Layout {
    /// A layout with intermediate files in `build`, results in `out` and the user's cache in `cache`; all absolute.
    pub fn new(build: PathBuf, out: PathBuf, cache: PathBuf) -> Self {
        Self { shared: build.clone(), store: build.join("store"), build, out, cache }
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
        Self { out: build.clone(), build, ..self.clone() }
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

    /// Folders of work in progress; whatever a killed run left here is removed at the next start.
    pub fn work(&self) -> PathBuf {
        self.build.join("work")
    }

    /// Caches of parsed specs, provides, durations.
    pub fn state(&self) -> PathBuf {
        self.build.join("state")
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

    /// The log of the build of the source package `srpm`, a file name without `.src.rpm`.
    pub fn package_log(&self, srpm: &str) -> PathBuf {
        self.package_logs().join(format!("{srpm}.src.rpm.log"))
    }

    /// The log of packing the source package `srpm`, a file name without `.src.rpm`.
    pub fn srpm_log(&self, srpm: &str) -> PathBuf {
        self.build.join("logs/pkggen/srpms").join(format!("{srpm}.src.rpm.log"))
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
