//! `primary.xml`: the packages of a repository. Pure.

use super::checksum::Checksum;
use super::repomd::checked_location;
use super::xml::{Element, MetadataError, Scanner, number};
use crate::package::{Capability, Comparison, Dependency, Evr, Nevra, Requirement, RpmHeader};

/// A package as the metadata describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrimaryPackage {
    /// What it is, provides and needs; of its files only those that the document lists.
    pub header: RpmHeader,
    /// Path below the repository.
    pub location: String,
    /// Size of the RPM.
    pub bytes: u64,
    /// Checksum of the RPM.
    pub checksum: Checksum,
    /// When it came into the repository, in seconds since 1970.
    pub file_time: Option<u64>,
    /// When it was built.
    pub build_time: Option<u64>,
}

/// Reads `primary.xml`: all packages in its order, source packages included.
///
/// # Errors
/// The document is broken, or a package lacks what is needed to fetch and to install it.
pub fn parse(bytes: &[u8]) -> Result<Vec<PrimaryPackage>, MetadataError> {
    let mut scanner = Scanner::new(bytes)?;
    scanner.root("metadata")?;
    let mut packages = Vec::new();
    while let Some(element) = scanner.child()? {
        if element.name() == "package" {
            packages.push(package(&mut scanner)?);
        } else {
            scanner.skip()?;
        }
    }
    Ok(packages)
}

/// What was read of a package so far.
#[derive(Default)]
struct Parts {
    name: Option<String>,
    arch: Option<String>,
    evr: Option<Evr>,
    checksum: Option<Checksum>,
    location: Option<String>,
    bytes: Option<u64>,
    installed_bytes: u64,
    file_time: Option<u64>,
    build_time: Option<u64>,
    format: Format,
}

/// The inside of `<format>`.
#[derive(Default)]
struct Format {
    provides: Vec<Capability>,
    requires: Vec<Requirement>,
    conflicts: Vec<Requirement>,
    obsoletes: Vec<Requirement>,
    files: Vec<String>,
    source_rpm: Option<String>,
}

fn package(scanner: &mut Scanner<'_>) -> Result<PrimaryPackage, MetadataError> {
    let mut parts = Parts::default();
    while let Some(element) = scanner.child()? {
        match element.name() {
            "name" => parts.name = Some(scanner.text()?),
            "arch" => parts.arch = Some(scanner.text()?),
            "version" => {
                let [epoch, version, release] = scanner.attributes(&element, ["epoch", "ver", "rel"])?;
                parts.evr = evr(scanner, (epoch, version, release))?;
                scanner.skip()?;
            }
            "checksum" => {
                let algorithm = scanner.needed(&element, "type")?;
                let text = scanner.text()?;
                let name = parts.name.as_deref().unwrap_or("a package");
                let read = Checksum::read(&algorithm, &text);
                parts.checksum = Some(read.map_err(|wrong| scanner.wrong(format!("`{name}` has {wrong}")))?);
            }
            "location" => {
                if let Some(base) = scanner.attribute(&element, "base")?.filter(|base| !base.is_empty()) {
                    return Err(scanner.wrong(format!("packages at another address, `{base}`, are not supported")));
                }
                parts.location = Some(checked_location(scanner, scanner.needed(&element, "href")?)?);
                scanner.skip()?;
            }
            "size" => {
                parts.bytes = optional_number(scanner, &element, "package")?;
                parts.installed_bytes = optional_number(scanner, &element, "installed")?.unwrap_or(0);
                scanner.skip()?;
            }
            "time" => {
                parts.file_time = optional_number(scanner, &element, "file")?;
                parts.build_time = optional_number(scanner, &element, "build")?;
                scanner.skip()?;
            }
            "format" => parts.format = format(scanner)?,
            _ => scanner.skip()?,
        }
    }
    parts.finish(scanner)
}

impl Parts {
    fn finish(self, scanner: &Scanner<'_>) -> Result<PrimaryPackage, MetadataError> {
        let missing = |what: &str| scanner.wrong(format!("a package has no {what}"));
        let name = self.name.filter(|name| !name.is_empty()).ok_or_else(|| missing("name"))?;
        let of = |what: &str| scanner.wrong(format!("the package `{name}` has no {what}"));
        let evr = self.evr.ok_or_else(|| of("version"))?;
        let arch = self.arch.filter(|arch| !arch.is_empty()).ok_or_else(|| of("arch"))?;
        let checksum = self.checksum.ok_or_else(|| of("checksum"))?;
        let location = self.location.ok_or_else(|| of("location"))?;
        let bytes = self.bytes.ok_or_else(|| of("size"))?;
        let Format { provides, requires, conflicts, obsoletes, files, source_rpm } = self.format;
        let nevra = Nevra { name, evr, arch };
        let installed_bytes = self.installed_bytes;
        let header = RpmHeader { nevra, provides, requires, conflicts, obsoletes, files, source_rpm, installed_bytes };
        let (file_time, build_time) = (self.file_time, self.build_time);
        Ok(PrimaryPackage { header, location, bytes, checksum, file_time, build_time })
    }
}

fn format(scanner: &mut Scanner<'_>) -> Result<Format, MetadataError> {
    let mut format = Format::default();
    while let Some(element) = scanner.child()? {
        match element.name() {
            "sourcerpm" => format.source_rpm = Some(scanner.text()?).filter(|text| !text.is_empty()),
            "file" => format.files.push(scanner.text()?),
            "provides" => {
                for entry in entries(scanner)? {
                    let (comparison, evr) = entry.bound.map_or((Comparison::Equal, None), |(c, evr)| (c, Some(evr)));
                    format.provides.push(Capability { name: entry.name, evr, comparison });
                }
            }
            "requires" => format.requires = requirements(scanner)?,
            "conflicts" => format.conflicts = requirements(scanner)?,
            "obsoletes" => format.obsoletes = requirements(scanner)?,
            _ => scanner.skip()?,
        }
    }
    Ok(format)
}

/// Requirements without `rpmlib(…)`, which asks for a feature of rpm itself.
fn requirements(scanner: &mut Scanner<'_>) -> Result<Vec<Requirement>, MetadataError> {
    let mut found = Vec::new();
    for entry in entries(scanner)?.into_iter().filter(|entry| !entry.name.starts_with("rpmlib(")) {
        found.push(if entry.name.starts_with('(') {
            let parsed = entry.name.parse();
            parsed.map_err(|error: crate::package::ParseRequirementError| scanner.wrong(error.to_string()))?
        } else {
            Requirement::Simple(entry)
        });
    }
    Ok(found)
}

fn entries(scanner: &mut Scanner<'_>) -> Result<Vec<Dependency>, MetadataError> {
    let mut found = Vec::new();
    while let Some(element) = scanner.child()? {
        if element.name() == "entry" {
            let [name, flags, epoch, version, release] =
                scanner.attributes(&element, ["name", "flags", "epoch", "ver", "rel"])?;
            let name = name.ok_or_else(|| scanner.wrong("`<entry>` has no `name`"))?;
            let evr = evr(scanner, (epoch, version, release))?;
            let bound = flags.zip(evr).map(|(flags, evr)| comparison(scanner, &flags).map(|one| (one, evr)));
            found.push(Dependency { name, bound: bound.transpose()? });
        }
        scanner.skip()?;
    }
    Ok(found)
}

fn comparison(scanner: &Scanner<'_>, flags: &str) -> Result<Comparison, MetadataError> {
    Ok(match flags {
        "LT" => Comparison::Less,
        "LE" => Comparison::LessEqual,
        "EQ" => Comparison::Equal,
        "GE" => Comparison::GreaterEqual,
        "GT" => Comparison::Greater,
        other => return Err(scanner.wrong(format!("`{other}` is not a comparison: LT, LE, EQ, GE or GT is expected"))),
    })
}

/// The values of `epoch`, `ver` and `rel`; None without a version. The metadata say 0 for no epoch.
fn evr(
    scanner: &Scanner<'_>,
    (epoch, version, release): (Option<String>, Option<String>, Option<String>),
) -> Result<Option<Evr>, MetadataError> {
    let Some(version) = version else { return Ok(None) };
    let epoch = match epoch.as_deref() {
        None | Some("" | "0") => None,
        Some(text) => {
            let parsed = text.parse();
            Some(parsed.map_err(|_| scanner.wrong(format!("`{text}` is not an epoch")))?)
        }
    };
    Ok(Some(Evr { epoch, version, release: release.unwrap_or_default() }))
}

fn optional_number(scanner: &Scanner<'_>, element: &Element<'_>, name: &str) -> Result<Option<u64>, MetadataError> {
    scanner.attribute(element, name)?.map(|text| number(scanner, &text)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(inside: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<metadata packages=\"1\">\n<package type=\"rpm\">\n{inside}\n</package></metadata>"
        )
    }

    fn whole() -> String {
        let digest = "b".repeat(64);
        format!(
            "<name>demo</name><arch>x86_64</arch><version epoch=\"1\" ver=\"2.0\" rel=\"3\"/>\n\
             <checksum type=\"sha256\" pkgid=\"YES\">{digest}</checksum><time file=\"20\" build=\"10\"/>\n\
             <size package=\"100\" installed=\"200\" archive=\"300\"/><location href=\"Packages/demo.rpm\"/>\n\
             <format><rpm:sourcerpm>demo-2.0-3.src.rpm</rpm:sourcerpm>\n\
             <rpm:provides><rpm:entry name=\"demo\" flags=\"EQ\" epoch=\"1\" ver=\"2.0\" rel=\"3\"/>\
             <rpm:entry name=\"pkgconfig(demo)\"/></rpm:provides>\n\
             <rpm:requires><rpm:entry name=\"zlib\" flags=\"GE\" epoch=\"0\" ver=\"1.2\"/>\
             <rpm:entry name=\"(a if b)\"/><rpm:entry name=\"rpmlib(X)\" flags=\"LE\" ver=\"1\"/></rpm:requires>\n\
             <rpm:conflicts><rpm:entry name=\"old\" flags=\"LT\" epoch=\"0\" ver=\"3\"/></rpm:conflicts>\n\
             <rpm:obsoletes><rpm:entry name=\"older\"/></rpm:obsoletes><file>/usr/bin/demo</file>\
             <file type=\"dir\">/etc/a&amp;b</file></format>"
        )
    }

    #[test]
    fn a_package_is_read_with_all_that_a_solver_needs() {
        let packages = parse(document(&whole()).as_bytes()).unwrap();
        let [demo] = packages.as_slice() else { panic!("{packages:?}") };
        let texts = |all: &[Requirement]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        assert_eq!(demo.header.nevra.to_string(), "demo-1:2.0-3.x86_64");
        assert_eq!(texts(&demo.header.requires), "zlib >= 1.2, (a if b)");
        assert_eq!(texts(&demo.header.conflicts), "old < 3");
        assert_eq!(texts(&demo.header.obsoletes), "older");
        assert_eq!(demo.header.provides[0].to_string(), "demo = 1:2.0-3");
        assert_eq!(demo.header.files, ["/usr/bin/demo", "/etc/a&b"]);
        assert_eq!((demo.bytes, demo.file_time, demo.build_time), (100, Some(20), Some(10)));
        assert_eq!(demo.header.source_rpm.as_deref(), Some("demo-2.0-3.src.rpm"));
    }

    #[test]
    fn what_is_missing_is_told_with_its_line() {
        let without = |part: &str| {
            let changed = whole().replace(part, "");
            parse(document(&changed).as_bytes()).unwrap_err().to_string()
        };
        assert_eq!(without("<name>demo</name>"), "line 12: a package has no name");
        assert!(without("<location href=\"Packages/demo.rpm\"/>").ends_with("the package `demo` has no location"));
        let with =
            |old: &str, new: &str| parse(document(&whole().replace(old, new)).as_bytes()).unwrap_err().to_string();
        assert!(
            with("type=\"sha256\"", "type=\"sha\"")
                .ends_with("`demo` has a sha checksum; sha256, sha384 or sha512 is needed")
        );
        assert!(with("flags=\"GE\"", "flags=\"XX\"").contains("`XX` is not a comparison"));
        assert!(with("(a if b)", "(a if").contains("`(a if` is not a requirement"));
        assert!(with("epoch=\"1\"", "epoch=\"x\"").contains("`x` is not an epoch"));
        assert!(with("Packages/demo.rpm", "/etc/passwd").contains("is not a path below the repository"));
    }

    #[test]
    fn no_document_ends_early_or_never() {
        let text = document(&whole());
        for end in 0..text.len() {
            assert!(parse(&text.as_bytes()[..end]).is_err(), "cut at {end}");
        }
    }
}
