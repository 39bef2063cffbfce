//! Which RPMs an image consists of, and what is known of them before they are installed.

use std::io::{self, BufReader};
use std::path::PathBuf;

use crate::digest::Sha256;
use crate::graph::{self, Unsolvable};
use crate::image::ImageError;
use crate::image::config::{BootType, Format, ImageConfig};
use crate::package::{Provides, Requirement, RpmHeader, header};
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

/// File name of the kernel in `/boot`, such as `vmlinuz-6.1.55-1`; the last one by name.
pub fn kernel_file(rpms: &[&AvailableRpm]) -> Option<String> {
    let files = rpms.iter().flat_map(|rpm| rpm.header.files.iter());
    let kernels = files.filter_map(|path| path.strip_prefix("/boot/"));
    kernels.filter(|name| name.starts_with("vmlinuz-") && !name.contains('/')).max().map(str::to_owned)
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
