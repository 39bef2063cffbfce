//! The package archives that an image installs from, as its own apt configuration names them: they hold the sources of what
//! is built in it also where the host is no Debian.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::StageContext;
use super::ask::ask;
use super::error::ToolchainError;
use crate::digest::Sha256;
use crate::source::{Archive, Trust, apt};

/// Prints three parts: entries of one line each, paragraphs, and one keyring a line.
const SCRIPT: &str = "cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null; echo '-- paragraphs'; \
     for file in /etc/apt/sources.list.d/*.sources; do cat \"$file\" 2>/dev/null; echo; done; echo '-- keyrings'; \
     for file in /usr/share/keyrings/*-archive-keyring.gpg; do base64 -w 0 \"$file\" 2>/dev/null && echo; done";

/// The archives of the image `image` of the stage `stage`; its files are put into `folder`, with the keyrings that check
/// them. None where it has no apt.
pub async fn archives_of(
    (stage, image): (&str, Sha256),
    folder: &Path,
    context: &StageContext<'_>,
) -> Result<Vec<Archive>, ToolchainError> {
    let answer = ask(SCRIPT, Vec::new(), (stage, image), context).await?;
    let fault = |source| ToolchainError::File { operation: "write", path: folder.to_owned(), source };
    let keyrings = unpack(&answer.text, folder).map_err(fault)?;
    let mut archives = apt::archives(folder);
    for archive in &mut archives {
        // The files that its entries name are the image's.
        archive.trust = Trust::Keyrings(keyrings.clone());
    }
    Ok(archives)
}

fn unpack(text: &str, folder: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    let (lines, rest) = text.split_once("-- paragraphs\n").unwrap_or((text, ""));
    let (paragraphs, keys) = rest.split_once("-- keyrings\n").unwrap_or((rest, ""));
    std::fs::create_dir_all(folder.join("sources.list.d"))?;
    std::fs::write(folder.join("sources.list"), lines)?;
    std::fs::write(folder.join("sources.list.d/image.sources"), paragraphs)?;
    let mut keyrings = Vec::new();
    for key in keys.lines().filter_map(|line| STANDARD.decode(line).ok()) {
        let path = folder.join(format!("{}.gpg", keyrings.len()));
        std::fs::write(&path, key)?;
        keyrings.push(path);
    }
    Ok(keyrings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_image_says_is_read_as_a_hosts() {
        let folder = tempfile::tempdir().unwrap();
        let text = "deb http://a.test/debian one main\n-- paragraphs\nTypes: deb\nURIs: http://b.test/debian\nSuites: two\n\
                    Components: main\nSigned-By: /x\n\n-- keyrings\nAQID\nBA==\n";
        let keyrings = unpack(text, folder.path()).unwrap();
        let contents: Vec<_> = keyrings.iter().map(|path| std::fs::read(path).unwrap()).collect();
        assert_eq!(contents, [vec![1, 2, 3], vec![4]]);
        let found = apt::archives(folder.path());
        let named: Vec<_> = found.iter().map(|archive| (archive.base_url.as_str(), archive.suite.as_str())).collect();
        assert_eq!(named, [("http://a.test/debian", "one"), ("http://b.test/debian", "two")]);
    }
}
