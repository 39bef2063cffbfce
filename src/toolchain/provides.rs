//! What RPM takes as given in an image that knows no RPM packages.
//!
//! A base such as Debian has a compiler but no RPM database that says so. The stage's `provides` become the Provides of
//! one package without files, which is recorded in the image's database. Then `rpm -i` and `rpmbuild` check every
//! dependency for real, and no `--nodeps` is needed anywhere.

use rpm::{BuildConfig, Dependency, PackageBuilder};

use crate::package::Capability;

/// The bytes of a package without files that provides `provides`; equal for equal input.
pub(super) fn package(stage: &str, provides: &[Capability]) -> Result<Vec<u8>, rpm::Error> {
    let name = format!("drydock-given-{stage}");
    let mut builder =
        PackageBuilder::new(&name, "1", "Apache-2.0", "noarch", "What this image provides without packages");
    builder
        .release("1")
        .using_config(BuildConfig::v4().source_date(0))
        .description("Lists what packages may require in this image although no package of it is installed.");
    for capability in provides {
        builder.provides(match &capability.evr {
            Some(evr) => Dependency::eq(capability.name.clone(), evr.to_string()),
            None => Dependency::any(capability.name.clone()),
        });
    }
    let mut bytes = Vec::new();
    builder.build()?.write(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::header;

    #[test]
    fn the_package_provides_the_list_and_needs_nothing() {
        let provides =
            [Capability::parse("gcc"), Capability::parse("pkgconfig(zlib) = 1.2.13"), Capability::parse("/bin/sh")];
        let bytes = package("bootstrap", &provides).unwrap();
        assert_eq!(bytes, package("bootstrap", &provides).unwrap());
        let header = header::read(&mut bytes.as_slice()).unwrap();
        assert!(provides.iter().all(|capability| header.provides.contains(capability)));
        assert_eq!(header.requires, []);
        assert_eq!(header.files, Vec::<String>::new());
    }
}
