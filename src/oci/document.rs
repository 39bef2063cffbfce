//! The JSON documents of an image: manifest and configuration. Written with sorted keys and no spaces, so that equal
//! documents have equal digests; a foreign document is kept byte for byte.

use std::collections::{BTreeMap, HashMap};

use oci_spec::image::{
    Arch, Config, Descriptor, History, ImageConfiguration, ImageIndex, ImageManifest, ImageManifestBuilder, MediaType,
    Os, RootFs,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ImageConfig, Layer, OciError, Store, StoredImage};
use crate::digest::Sha256;

/// Reads a document.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, OciError> {
    serde_json::from_slice(bytes).map_err(|source| OciError::Json { what: what.to_owned(), source })
}

/// The document with sorted keys.
pub(super) fn canonical(document: &impl Serialize, what: &str) -> Result<Vec<u8>, OciError> {
    let fault = |source| OciError::Json { what: what.to_owned(), source };
    let value = serde_json::to_value(document).map_err(fault)?;
    serde_json::to_vec(&sorted(value)).map_err(fault)
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<String, Value> = fields.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// The media type that a manifest or an index gives itself; documents without one are OCI's.
pub(super) fn media_type_of(document: &[u8], what: &str) -> Result<String, OciError> {
    /// The fields that tell.
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Kind {
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
    }
    let kind: Kind = parse(document, what)?;
    let default = if kind.manifests.is_some() { MediaType::ImageIndex } else { MediaType::ImageManifest };
    Ok(kind.media_type.unwrap_or_else(|| default.to_string()))
}

/// A descriptor of `bytes` bytes with the digest `digest`.
pub(super) fn descriptor(media_type: MediaType, digest: Sha256, bytes: u64) -> Result<Descriptor, OciError> {
    let digest: oci_spec::image::Digest = digest
        .to_oci()
        .parse()
        .map_err(|fault: oci_spec::OciSpecError| OciError::malformed(digest.to_oci(), fault.to_string()))?;
    Ok(Descriptor::new(media_type, bytes, digest))
}

/// The digest that a descriptor of the document `what` names; only SHA-256 is accepted.
pub(super) fn digest_of(descriptor: &Descriptor, what: &str) -> Result<Sha256, OciError> {
    sha256_of(descriptor).ok_or_else(|| {
        let problem = format!("it names something by `{}`, which is no sha256 digest", descriptor.digest());
        OciError::malformed(what, problem)
    })
}

/// The digest that a descriptor names, if it is of SHA-256.
pub(super) fn sha256_of(descriptor: &Descriptor) -> Option<Sha256> {
    descriptor.digest().to_string().parse().ok()
}

/// Reads manifest and configuration of an image.
pub(super) fn stored_image(store: &Store, manifest: Sha256) -> Result<StoredImage, OciError> {
    if !store.blob_path(manifest).is_file() {
        return Err(OciError::MissingImage { digest: manifest, root: store.root().to_owned() });
    }
    let what = format!("the manifest `{manifest}`");
    let document: ImageManifest = parse(&store.read_blob(manifest)?, &what)?;
    let config = digest_of(document.config(), &what)?;
    let configuration = configuration(&store.read_blob(config)?, config)?;
    let diff_ids = diff_ids(&configuration, config)?;
    if diff_ids.len() != document.layers().len() {
        let problem = format!("{} layers, but {} in its configuration", document.layers().len(), diff_ids.len());
        return Err(OciError::malformed(what, problem));
    }
    let layers = document.layers().iter().zip(diff_ids).map(|(layer, diff_id)| {
        let digest = digest_of(layer, &what)?;
        Ok(Layer { digest, diff_id, bytes: layer.size(), media_type: layer.media_type().to_string() })
    });
    let env = configuration.config().as_ref().and_then(|config| config.env().clone()).unwrap_or_default();
    Ok(StoredImage { manifest, config, layers: layers.collect::<Result<_, OciError>>()?, env })
}

/// Reads a configuration.
pub(super) fn configuration(bytes: &[u8], digest: Sha256) -> Result<ImageConfiguration, OciError> {
    parse(bytes, &format!("the image configuration `{digest}`"))
}

/// The digests of the layers' archives, lowest first.
pub(super) fn diff_ids(configuration: &ImageConfiguration, digest: Sha256) -> Result<Vec<Sha256>, OciError> {
    let parsed = configuration.rootfs().diff_ids().iter().map(|text| {
        text.parse().map_err(|_| {
            let what = format!("the image configuration `{digest}`");
            OciError::malformed(what, format!("`{text}` is no sha256 digest"))
        })
    });
    parsed.collect()
}

/// What a configuration says about its image.
pub(super) fn image_config(bytes: &[u8], digest: Sha256) -> Result<ImageConfig, OciError> {
    let document = configuration(bytes, digest)?;
    let config = document.config().clone().unwrap_or_default();
    let nonempty = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    Ok(ImageConfig {
        env: config.env().clone().unwrap_or_default(),
        cmd: config.cmd().clone().unwrap_or_default(),
        workdir: nonempty(config.working_dir()),
        user: nonempty(config.user()),
        labels: config.labels().clone().unwrap_or_default().into_iter().collect(),
        created: document.created().as_deref().and_then(super::time::parse).unwrap_or(0),
    })
}

/// Stores configuration and manifest of an image of `layers`.
pub(super) fn write_image(store: &Store, layers: Vec<Layer>, config: &ImageConfig) -> Result<StoredImage, OciError> {
    let mut document = ImageConfiguration::default();
    let mut rootfs = RootFs::default();
    rootfs.set_diff_ids(layers.iter().map(|layer| layer.diff_id.to_oci()).collect());
    document.set_architecture(architecture()).set_os(Os::Linux).set_rootfs(rootfs);
    // Podman commits nothing onto an image whose history does not tell each layer.
    let mut history = History::default();
    history.set_created(Some(super::time::format(config.created))).set_created_by(Some("drydock".to_owned()));
    document.set_history(Some(vec![history; layers.len()]));
    document.set_created(Some(super::time::format(config.created))).set_config(Some(written(config)));
    let bytes = canonical(&document, "a new image configuration")?;
    write_manifest(store, &bytes, layers)
}

/// Stores the configuration `config` as it is, and a manifest of it and `layers`.
pub(super) fn write_manifest(store: &Store, config: &[u8], layers: Vec<Layer>) -> Result<StoredImage, OciError> {
    let config_digest = store.write_blob(config)?;
    let described = layers
        .iter()
        .map(|layer| descriptor(MediaType::from(layer.media_type.as_str()), layer.digest, layer.bytes))
        .collect::<Result<Vec<_>, OciError>>()?;
    let manifest = ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageManifest)
        .config(descriptor(MediaType::ImageConfig, config_digest, config.len() as u64)?)
        .layers(described)
        .build()
        .map_err(|fault| OciError::malformed("a new manifest", fault.to_string()))?;
    let bytes = canonical(&manifest, "a new manifest")?;
    let manifest = store.write_blob(&bytes)?;
    store.add_to_index(manifest, None)?;
    let document = configuration(config, config_digest)?;
    let env = document.config().as_ref().and_then(|config| config.env().clone()).unwrap_or_default();
    Ok(StoredImage { manifest, config: config_digest, layers, env })
}

/// The one image of `index` that this machine can run.
pub(super) fn for_this_machine<'a>(index: &'a ImageIndex, what: &str) -> Result<&'a Descriptor, OciError> {
    let wanted = architecture();
    let platforms = || index.manifests().iter().filter_map(|image| Some((image, image.platform().as_ref()?)));
    let fitting = platforms().find(|(_, platform)| *platform.os() == Os::Linux && *platform.architecture() == wanted);
    let unnamed = || match index.manifests().as_slice() {
        // One image may be listed under several names.
        [first, rest @ ..] if rest.iter().all(|entry| entry.digest() == first.digest()) => {
            Some(first).filter(|first| first.platform().is_none())
        }
        _ => None,
    };
    fitting.map(|(image, _)| image).or_else(unnamed).ok_or_else(|| OciError::Platform {
        what: what.to_owned(),
        wanted: wanted.to_string(),
        found: match platforms().map(|(_, it)| format!("{}/{}", it.os(), it.architecture())).collect::<Vec<_>>() {
            named if !named.is_empty() => named.join(", "),
            _ if index.manifests().is_empty() => "none at all".to_owned(),
            _ => "several, and does not say what for".to_owned(),
        },
    })
}

/// OCI's word for this machine's architecture.
fn architecture() -> Arch {
    match std::env::consts::ARCH {
        "x86_64" => Arch::Amd64,
        "aarch64" => Arch::ARM64,
        other => Arch::from(other),
    }
}

fn written(config: &ImageConfig) -> Config {
    let mut document = Config::default();
    let nonempty = |list: &Vec<String>| Some(list.clone()).filter(|list| !list.is_empty());
    let labels: HashMap<String, String> = config.labels.clone().into_iter().collect();
    document
        .set_env(nonempty(&config.env))
        .set_cmd(nonempty(&config.cmd))
        .set_working_dir(config.workdir.clone())
        .set_user(config.user.clone())
        .set_labels(Some(labels).filter(|labels| !labels.is_empty()));
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_document_names_by_another_digest_is_told_with_the_document() {
        let digest = format!("sha512:{}", "0".repeat(128));
        let json = format!("{{\"mediaType\": \"a/b\", \"size\": 1, \"digest\": \"{digest}\"}}");
        let descriptor: Descriptor = parse(json.as_bytes(), "it").unwrap();
        let told = digest_of(&descriptor, "the manifest `m`").unwrap_err().to_string();
        assert_eq!(told, format!("the manifest `m`: it names something by `{digest}`, which is no sha256 digest"));
    }
}
