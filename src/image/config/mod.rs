//! Image configurations: from a JSON or YAML file with Azure Linux's schema to an [`ImageConfig`] without wrong values.
//!
//! In: the file, the package lists and other files it names (relative to its folder). Out: what to make, checked as far
//! as it can be without packages: layout, mount points, boot type against layout, outputs against layout, names. All
//! faults of a file are told at once, and what Drydock cannot make yet is told before anything is built.
//!
//! Two things go beyond Azure Linux's schema: the artifact types `iso` (a live ISO) and `oci` (an OCI image), both for
//! configurations without partitions; see [`Format`].

mod accounts;
mod artifact;
mod disk;
mod fault;
#[cfg(fuzzing)]
pub mod fuzzing;
mod inputs;
mod mount;
mod network;
mod raw;
mod schema;
mod system;
mod unsupported;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use accounts::{Group, Password, User};
pub use artifact::{Compression, Format, Output};
pub use disk::{Blob, Disk, FileSystem, MiB, Partition, PartitionFlag, TableType};
pub use fault::{ConfigError, Fault};
pub use mount::{Mount, MountBy};
pub use system::{
    AdditionalFile, BootType, Documentation, MachineId, Network, ProcessList, RpmDatabase, Script, System,
};

use fault::Faults;

use crate::printable;
use crate::yaml;

/// One image: what it is made of and what files come out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageConfig {
    /// The file's name without its extension; also the folder of its results.
    pub name: String,
    /// Its partitioned disk; None for an image that is a tree of files only.
    pub disk: Option<Disk>,
    /// What to write; at least one, in the file's order.
    pub outputs: Vec<Output>,
    /// What is installed and how it is set up.
    pub system: System,
    /// The configuration and every file that it names, by that name; their content decides what the image is.
    pub inputs: BTreeMap<String, PathBuf>,
}

/// Reads and checks the configuration `path`.
pub fn read(path: &Path) -> Result<ImageConfig, ConfigError> {
    of_value(path, yaml::read(path).map_err(ConfigError::File)?).map_err(ConfigError::located)
}

/// Checks `value`, the content of `path`.
fn of_value(path: &Path, value: serde_json::Value) -> Result<ImageConfig, ConfigError> {
    let mut faults = Faults::default();
    let value = schema::normalise(value, schema::CONFIG, &mut faults);
    faults.refuse(path)?;
    let raw: raw::Config =
        serde_json::from_value(value).map_err(|source| ConfigError::Shape { path: path.to_owned(), source })?;
    refuse_unsupported(path, &raw)?;
    let config = checked(path, raw, &mut faults);
    faults.refuse(path)?;
    config.ok_or_else(|| ConfigError::Empty { path: path.to_owned() })
}

fn refuse_unsupported(path: &Path, raw: &raw::Config) -> Result<(), ConfigError> {
    let keys = unsupported::keys(raw);
    if keys.is_empty() { Ok(()) } else { Err(ConfigError::Unsupported { path: path.to_owned(), keys }) }
}

/// None only where a fault was added.
fn checked(path: &Path, raw: raw::Config, faults: &mut Faults) -> Option<ImageConfig> {
    let mut inputs = inputs::Inputs::new(path);
    let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    if !printable::is_file_name(&name) {
        faults.add("", format!("the file's name without its extension is {name:?}, and cannot name an image"));
    }
    let Some(raw_system) = raw.system_configs.into_iter().next() else {
        faults.add("SystemConfigs", "must have one system");
        return None;
    };
    let mut outputs = Vec::new();
    let disk = raw.disks.into_iter().next().and_then(|mut disk| {
        outputs = artifact::checked(&disk, faults);
        disk::checked(&mut disk, &raw_system, &mut inputs, faults)
    });
    if outputs.is_empty() && faults.is_empty() {
        faults.add("Disks[0].Artifacts", "must name at least one file to make");
    }
    artifact::check_against_layout(&outputs, disk.as_ref(), faults);
    let system = system::checked(raw_system, &mut inputs, faults)?;
    system::check_boot(&system, disk.as_ref(), faults);
    artifact::check_against_system(&outputs, &system, faults);
    Some(ImageConfig { name, disk, outputs, system, inputs: inputs.into_paths() })
}
