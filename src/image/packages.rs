//! Which RPMs an image consists of, and what is known of them before they are installed.

use std::io::{self, BufReader};
use std::path::PathBuf;

use crate::digest::Sha256;
use crate::graph::{self, Unsolvable};
use crate::image::ImageError;
use crate::image::config::{BootType, Format, ImageConfig};
use crate::package::{Evr, Provides, Requirement, RpmHeader, header};
use crate::regular;

/// An RPM file that can be installed.
#[derive(Clone, Debug)]
pub struct AvailableRpm {
    /// The file.
    pub path: PathBuf,
    /// Its header.
    pub header: RpmHeader,
    /// Digest of its content.
    pub sha256: Sha256,
}

/// What the image asks for by name: its packages, its kernel, and the boot loader that its way to start needs.
///
/// As in Azure Linux, the loader for a BIOS comes by itself, and that for UEFI stands in a package list; an ISO gets both.
pub fn wanted(config: &ImageConfig, arch: &str) -> Vec<Requirement> {
    let mut wanted = config.system.packages.clone();
    wanted.extend(config.system.kernel.clone());
    let is_iso = config.outputs.iter().any(|output| output.format == Format::Iso);
    if arch == "x86_64" && (is_iso || config.system.boot == BootType::Legacy) {
        wanted.push(Requirement::any("grub2-pc"));
    }
    if is_iso {
        wanted.push(Requirement::any("grub2-efi-binary"));
    }
    wanted
}

/// The RPMs of an image, sorted by name: what it asks for and all that these need.
pub fn resolve<'a>(
    config: &ImageConfig,
    available: &'a [AvailableRpm],
    arch: &str,
) -> Result<Vec<&'a AvailableRpm>, Unsolvable> {
    let fits = |rpm: &&AvailableRpm| [arch, "noarch"].contains(&rpm.header.nevra.arch.as_str());
    let headers: Vec<&RpmHeader> = available.iter().filter(fits).map(|rpm| &rpm.header).collect();
    let solved = graph::solve(&wanted(config, arch), &headers, &Provides::default())?;
    let is_solved = |rpm: &&AvailableRpm| solved.iter().any(|header| std::ptr::eq(*header, &raw const rpm.header));
    let mut rpms: Vec<&AvailableRpm> = available.iter().filter(is_solved).collect();
    rpms.sort_by(|a, b| a.header.nevra.cmp(&b.header.nevra));
    Ok(rpms)
}

/// Fails for the first of `rpms` whose file is not the one that was published.
pub fn check_files(rpms: &[&AvailableRpm]) -> Result<(), ImageError> {
    for AvailableRpm { path, header, sha256 } in rpms {
        let (path, package) = (path.clone(), header.nevra.name.clone());
        match Sha256::of_file(&path) {
            Ok(found) if found == *sha256 => {}
            Ok(_) => return Err(ImageError::Damaged { path, package }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ImageError::Missing { path, package }),
            Err(source) => return Err(ImageError::Read { path, source }),
        }
    }
    Ok(())
}

/// File name of the kernel in `/boot`, such as `vmlinuz-6.1.55-1`: that of the package that is `wanted` as the kernel, or,
/// where that only needs the one that has it, of all packages. Of several the last one as RPM orders versions.
pub fn kernel_file(rpms: &[&AvailableRpm], wanted: Option<&Requirement>) -> Option<String> {
    let dependencies = wanted.map(Requirement::dependencies).unwrap_or_default();
    let is_wanted = |rpm: &&&AvailableRpm| {
        dependencies.iter().any(|one| rpm.header.provides.iter().any(|provided| one.accepts(provided)))
    };
    last_kernel(rpms.iter().filter(is_wanted)).or_else(|| last_kernel(rpms.iter()))
}

fn last_kernel<'a>(rpms: impl Iterator<Item = &'a &'a AvailableRpm>) -> Option<String> {
    let files = rpms.flat_map(|rpm| rpm.header.files.iter());
    let versions = files.filter_map(|path| path.strip_prefix("/boot/vmlinuz-"));
    let last = versions.filter(|version| !version.contains('/')).max_by_key(|version| Evr::parse(version));
    last.map(|version| format!("vmlinuz-{version}"))
}

/// The latest build time of `rpms`, in seconds since 1970: the time of an image that is made of them.
pub fn newest(rpms: &[PathBuf]) -> Result<u64, (PathBuf, io::Error)> {
    let mut newest = 0;
    for path in rpms {
        let read = || -> io::Result<u64> {
            let mut reader = BufReader::new(regular::open(path)?);
            let metadata = header::metadata(&mut reader).map_err(io::Error::other)?;
            metadata.get_build_time().map_err(io::Error::other)
        };
        newest = newest.max(read().map_err(|source| (path.clone(), source))?);
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Capability, Nevra};

    fn rpm(name: &str, kernels: &[&str]) -> AvailableRpm {
        let header = RpmHeader {
            nevra: Nevra { name: name.into(), evr: Evr::parse("1-1"), arch: "x86_64".into() },
            provides: vec![Capability::parse(&format!("{name} = 1-1"))],
            requires: Vec::new(),
            conflicts: Vec::new(),
            obsoletes: Vec::new(),
            files: kernels.iter().map(|version| format!("/boot/vmlinuz-{version}")).collect(),
            source_rpm: None,
            installed_bytes: 0,
        };
        AvailableRpm { path: PathBuf::new(), header, sha256: Sha256::of_bytes(b"") }
    }

    #[test]
    fn the_kernel_that_is_asked_for_is_started() {
        let (newer, older) = (rpm("kernel-6_1_10", &["6.1.10-1"]), rpm("kernel-6_1_9", &["6.1.9-1"]));
        let (both, named) = (rpm("kernel", &["6.1.9-1", "6.1.10-1", "6.1.10~rc1-1"]), rpm("kernel-meta", &[]));
        let file = |rpms: &[&AvailableRpm], wanted: &str| kernel_file(rpms, Some(&wanted.parse().unwrap())).unwrap();
        assert_eq!(file(&[&newer, &older], "kernel-6_1_10"), "vmlinuz-6.1.10-1");
        assert_eq!(file(&[&newer, &older], "kernel-6_1_9"), "vmlinuz-6.1.9-1");
        assert_eq!(file(&[&newer, &older], "kernel-6_1_9 = 1"), "vmlinuz-6.1.9-1");
        assert_eq!(file(&[&both], "kernel"), "vmlinuz-6.1.10-1", "as RPM orders them, not as a dictionary does");
        assert_eq!(file(&[&named, &older, &newer], "kernel-meta"), "vmlinuz-6.1.10-1", "it needs the one that has it");
        assert_eq!(kernel_file(&[&named], None), None);
    }
}
