//! The index of a repository, as bytes: primary, filelists and other metadata, and the `repomd.xml` that names them.
//!
//! Formats are `createrepo_c`'s, written by `rpmrepo_metadata`. No clock enters them.

use std::io::{self, Write as _};
use std::path::PathBuf;

use rpmrepo_metadata::utils::create_xml_writer;
use rpmrepo_metadata::{
    Checksum, FilelistsXml, MetadataError, OtherXml, Package, PackageOptions, PackageSource, PrimaryXml, RepomdData,
    RepomdRecord, RepomdXml,
};

use crate::cache::BuiltRpm;
use crate::digest::Sha256;

/// A balance between size and the time that every publication costs.
const ZSTD_LEVEL: i32 = 9;

/// The index's files.
pub(super) struct Index {
    /// Name in `repodata/` and content, without `repomd.xml`.
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// `repomd.xml`.
    pub(super) repomd: Vec<u8>,
}

/// The index entry of `rpm` with the header `metadata`.
pub(super) fn entry(rpm: &BuiltRpm, metadata: &rpm::PackageMetadata) -> Result<Package, MetadataError> {
    let source = PackageSource {
        checksum: Some(Checksum::Sha256(rpm.sha256.to_string())),
        size_package: Some(rpm.bytes),
        time_file: rpm.build_time,
        location_href: rpm.location(),
        location_base: None,
    };
    Package::from_package_metadata(metadata, source, PackageOptions::default())
}

/// Whether `entry` can be written.
pub(super) fn check(entry: &Package) -> Result<(), MetadataError> {
    primary(&[entry]).and_then(|_| filelists(&[entry])).and_then(|_| other(&[entry])).map(drop)
}

/// The digest that the name of a file of the index says.
pub(super) fn digest_in_name(name: &str) -> Option<Sha256> {
    name.split_once('-').and_then(|(digest, _)| digest.parse().ok())
}

/// The index of `packages`, in their order.
pub(super) fn index(packages: &[&Package]) -> Result<Index, MetadataError> {
    let newest = packages.iter().map(|package| package.time_build()).max().unwrap_or(0);
    let mut repomd = RepomdData::default();
    let mut files = Vec::new();
    for (kind, xml) in
        [("primary", primary(packages)?), ("filelists", filelists(packages)?), ("other", other(packages)?)]
    {
        let compressed = compress(&xml)?;
        let name = format!("{}-{kind}.xml.zst", Sha256::of_bytes(&compressed));
        let mut record = RepomdRecord::default();
        kind.clone_into(&mut record.metadata_name);
        record.location_href = PathBuf::from("repodata").join(&name);
        record.timestamp = i64::try_from(newest).unwrap_or(0);
        record.size = Some(compressed.len() as u64);
        record.checksum = checksum(&compressed);
        record.open_size = Some(xml.len() as u64);
        record.open_checksum = Some(checksum(&xml));
        repomd.add_record(record);
        files.push((name, compressed));
    }
    repomd.set_revision(&revision(&files));
    let mut writer = create_xml_writer(Vec::new());
    RepomdXml::write_data(&repomd, &mut writer)?;
    Ok(Index { files, repomd: writer.into_inner() })
}

/// A decimal number, as readers expect it, that depends on the content of the index alone.
fn revision(files: &[(String, Vec<u8>)]) -> String {
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let digest = Sha256::of_bytes(names.join(" ").as_bytes());
    let number = digest.as_bytes()[..6].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    number.to_string()
}

fn checksum(bytes: &[u8]) -> Checksum {
    Checksum::Sha256(Sha256::of_bytes(bytes).to_string())
}

fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
    encoder.set_pledged_src_size(Some(bytes.len() as u64))?;
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn primary(packages: &[&Package]) -> Result<Vec<u8>, MetadataError> {
    let mut writer = PrimaryXml::new_writer(create_xml_writer(Vec::new()));
    writer.write_header(packages.len())?;
    packages.iter().try_for_each(|package| writer.write_package(package))?;
    writer.finish()?;
    Ok(writer.into_inner())
}

fn filelists(packages: &[&Package]) -> Result<Vec<u8>, MetadataError> {
    let mut writer = FilelistsXml::new_writer(create_xml_writer(Vec::new()));
    writer.write_header(packages.len())?;
    packages.iter().try_for_each(|package| writer.write_package(package))?;
    writer.finish()?;
    Ok(writer.into_inner())
}

fn other(packages: &[&Package]) -> Result<Vec<u8>, MetadataError> {
    let mut writer = OtherXml::new_writer(create_xml_writer(Vec::new()));
    writer.write_header(packages.len())?;
    packages.iter().try_for_each(|package| writer.write_package(package))?;
    writer.finish()?;
    Ok(writer.into_inner())
}
