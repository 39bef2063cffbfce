//! Files of one server, or of a folder: for stages that know addresses and digests themselves.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use reqwest::Url;

use super::download::{Downloader, builder};
use super::transfer::{Fault, Patience};
use super::whole_file;
use crate::address::shown;
use crate::causes;
use crate::digest::{HashingWriter, Sha256};
use crate::event::Report;
use crate::regular;

/// How a server is spoken to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebAccess {
    /// Certificates in PEM that may sign the server's, instead of the system's.
    pub ca: Option<PathBuf>,
    /// The client's own certificate in PEM.
    pub client_certificate: Option<PathBuf>,
    /// Its private key in PEM; None when it stands in the file of the certificate.
    pub client_key: Option<PathBuf>,
}

/// A file that is at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebFile {
    /// Where it is: in the folder of the [`Web`], under its digest.
    pub path: PathBuf,
    /// Its digest.
    pub sha256: Sha256,
    /// Its size.
    pub bytes: u64,
}

/// Why an address gave no file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{url}`: {reason}")]
pub struct WebError {
    /// The address, as it may be shown.
    pub url: String,
    /// What went wrong.
    pub reason: String,
    /// True when the server, or the folder, says that there is no such file.
    pub is_missing: bool,
}

/// Downloads into one folder.
pub struct Web<'a> {
    downloader: Downloader<'a>,
    folder: PathBuf,
}

impl<'a> Web<'a> {
    /// What keeps its files in `folder`, named by their digest.
    ///
    /// # Errors
    /// A certificate cannot be read or used; in words.
    pub fn new(folder: PathBuf, access: &WebAccess, patience: Patience, report: Report<'a>) -> Result<Self, String> {
        let downloader = if *access == WebAccess::default() {
            Downloader::new(folder.clone(), patience, report).map_err(|error| causes::in_one_line(&error))?
        } else {
            Downloader::with_client(client(access, patience)?, folder.clone(), patience, report)
        };
        Ok(Self { downloader, folder })
    }

    /// The file at `url` (`http`, `https` or `file`), of at most `limit` bytes; without an expected digest, whatever
    /// comes. What is in the folder already is not asked for again.
    pub async fn fetch(&self, url: &str, expected: Option<Sha256>, limit: u64) -> Result<WebFile, WebError> {
        let wrong = |reason: String| WebError { url: shown(url), reason, is_missing: false };
        let parsed = Url::parse(url).map_err(|error| wrong(format!("is not a URL: {error}")))?;
        match parsed.scheme() {
            "file" => {
                let path = parsed.to_file_path().map_err(|()| wrong("is not the path of a file".to_owned()))?;
                let (folder, url) = (self.folder.clone(), shown(url));
                let copied = tokio::task::spawn_blocking(move || copy(&path, &folder, expected, limit)).await;
                copied.unwrap_or_else(|error| Err(error.into())).map_err(|error| {
                    let is_missing = error.kind() == io::ErrorKind::NotFound;
                    WebError { url, reason: error.to_string(), is_missing }
                })
            }
            "http" | "https" => match self.downloader.download_limited(&parsed, expected, limit).await {
                Ok(found) => Ok(WebFile { path: found.path, sha256: found.digest, bytes: found.bytes }),
                Err(Fault::Refused(status)) => {
                    let is_missing = [404, 410].contains(&status.as_u16());
                    Err(WebError { is_missing, ..wrong(status.to_string()) })
                }
                Err(fault) => Err(wrong(causes::in_one_line(&fault))),
            },
            other => Err(wrong(format!("`{other}` is not a way to download; `http`, `https` and `file` are"))),
        }
    }
}

/// Copies a file of this machine, so that it stays what it was.
fn copy(path: &Path, folder: &Path, expected: Option<Sha256>, limit: u64) -> io::Result<WebFile> {
    let mut from = File::open(path)?.take(limit.saturating_add(1));
    fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!(
        ".copy-{}-{}",
        std::process::id(),
        Sha256::of_bytes(path.as_os_str().as_encoded_bytes()).short()
    ));
    let copied = (|| {
        let mut writer = HashingWriter::new(File::create(&unfinished)?);
        let bytes = io::copy(&mut from, &mut writer)?;
        let (file, sha256) = writer.finish();
        if bytes > limit {
            return Err(io::Error::other(format!("has more than the {limit} bytes that it may have")));
        }
        if let Some(expected) = expected.filter(|expected| *expected != sha256) {
            return Err(io::Error::other(format!("has digest {sha256} instead of {expected}")));
        }
        file.sync_all()?;
        let to = folder.join(sha256.to_string());
        whole_file::publish(&unfinished, &to)?;
        Ok(WebFile { path: to, sha256, bytes })
    })();
    if copied.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    copied
}

fn client(access: &WebAccess, patience: Patience) -> Result<reqwest::Client, String> {
    let read =
        |path: &Path| regular::read_text(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()));
    let mut client = builder(patience);
    if let Some(ca) = &access.ca {
        let wrong = |error: reqwest::Error| format!("`{}`: {}", ca.display(), causes::in_one_line(&error));
        client = client.tls_certs_only(reqwest::Certificate::from_pem_bundle(&read(ca)?).map_err(wrong)?);
    }
    if let Some(certificate) = &access.client_certificate {
        let wrong = |error: reqwest::Error| format!("`{}`: {}", certificate.display(), causes::in_one_line(&error));
        let mut pem = read(certificate)?;
        if let Some(key) = &access.client_key {
            pem.push(b'\n');
            pem.extend(read(key)?);
        }
        client = client.identity(reqwest::Identity::from_pem(&pem).map_err(wrong)?);
    }
    client.build().map_err(|error| causes::in_one_line(&error))
}
