//! What the RPM database of an image says that the image has.
//!
//! One container reads the database; the answer is kept in `build/state/toolchain/installed/<image>.json`, since an image
//! named by its digest never changes. An image without `rpm` has no packages. Paths count as capabilities, as RPM has it;
//! those of documentation, which nothing requires, are left out. Where `/bin` and its like are links, the files behind
//! them are known under both names.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::StageContext;
use super::ask::ask;
use super::error::ToolchainError;
use super::record::write;
use crate::digest::Sha256;
use crate::engine::Exit;
use crate::package::{Capability, Evr, Nevra};

/// Records end with U+001E and their fields with U+001F, bytes that no name, version or path has.
const FORMAT: &str = "N\u{1f}%{NAME}\u{1f}%{EPOCH}\u{1f}%{VERSION}\u{1f}%{RELEASE}\u{1f}%{ARCH}\u{1f}%{SOURCERPM}\u{1e}\
    [V\u{1f}%{PROVIDENAME}\u{1f}%{PROVIDEVERSION}\u{1e}][F\u{1f}%{FILENAMES}\u{1f}%{FILELINKTOS}\u{1e}]";
/// The `rpm` of `busybox` has no database.
const SCRIPT: &str = "command -v rpm >/dev/null || exit 127; \
    case $(rpm --version 2>&1) in *BusyBox*) exit 127;; esac; exec rpm -qa --qf \"$1\"";
/// The exit status of the script where there is no `rpm`.
const NO_PROGRAM: i32 = 127;
/// Folders whose files nothing requires.
const DOCUMENTATION: [&str; 4] = ["/usr/share/doc/", "/usr/share/man/", "/usr/share/info/", "/usr/share/locale/"];

/// The packages of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Installed {
    /// Sorted; without those that stand for what an image provides without packages.
    pub packages: Vec<Nevra>,
    /// What all packages provide, and their files; sorted.
    pub provides: Vec<Capability>,
}

/// What is known of the packages of `image`; None when it was never asked.
pub fn known(state: &Path, image: Sha256) -> Option<Installed> {
    serde_json::from_slice(&std::fs::read(path(state, image)).ok()?).ok()
}

/// The packages of `image`, of the stage `stage`; none where it has no `rpm`.
pub async fn installed(stage: &str, image: Sha256, context: &StageContext<'_>) -> Result<Installed, ToolchainError> {
    let state = context.layout.toolchain_state();
    if let Some(known) = known(&state, image) {
        return Ok(known);
    }
    let found = parse(&ask_rpm(stage, image, context).await?);
    let path = path(&state, image);
    write(&path, &found).map_err(|source| ToolchainError::File { operation: "write", path, source })?;
    Ok(found)
}

fn path(state: &Path, image: Sha256) -> PathBuf {
    state.join("toolchain/installed").join(format!("{image}.json"))
}

async fn ask_rpm(stage: &str, image: Sha256, context: &StageContext<'_>) -> Result<String, ToolchainError> {
    let answer = ask(SCRIPT, vec![FORMAT.to_owned()], (stage, image), context).await?;
    match answer.exit {
        exit if exit.is_success() => Ok(answer.text),
        Exit::Code(NO_PROGRAM) => Ok(String::new()),
        exit => {
            let reason = format!("`rpm -qa` ended with {exit}: {}", answer.complaint);
            Err(ToolchainError::Database { stage: stage.to_owned(), reason })
        }
    }
}

fn parse(answer: &str) -> Installed {
    let mut found = Installed::default();
    // Folders that are links, with what they lead to.
    let mut links: Vec<(&str, String)> = Vec::new();
    let mut files = Vec::new();
    for record in answer.split('\u{1e}') {
        // An array without values is `(none)`.
        let record = record.trim_start_matches("(none)");
        let fields: Vec<&str> = record.split('\u{1f}').collect();
        match fields[..] {
            // A package of which no source package is known stands for what an image has without packages.
            ["N", name, epoch, version, release, arch, source] if source != "(none)" => {
                let epoch = epoch.parse().ok();
                let evr = Evr { epoch, version: version.to_owned(), release: release.to_owned() };
                found.packages.push(Nevra { name: name.to_owned(), evr, arch: arch.to_owned() });
            }
            ["V", name, version] => {
                let evr = (!version.is_empty() && version != "(none)").then(|| Evr::parse(version));
                found.provides.push(Capability::new(name, evr));
            }
            ["F", path, link] => {
                if path.matches('/').count() == 1 && !link.is_empty() && link != "(none)" {
                    links.push((path, format!("/{}", link.trim_matches('/'))));
                }
                files.push(path);
            }
            _ => {}
        }
    }
    let is_wanted = |path: &str| !DOCUMENTATION.iter().any(|folder| path.starts_with(folder));
    for path in files.into_iter().filter(|path| is_wanted(path)) {
        let aliases = links.iter().filter_map(|(link, folder)| {
            let name = path.strip_prefix(folder.as_str())?.strip_prefix('/')?;
            Some(format!("{link}/{name}"))
        });
        found.provides.extend(aliases.chain([path.to_owned()]).map(|path| Capability::new(path, None)));
    }
    found.packages.sort();
    found.provides.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.to_string().cmp(&b.to_string())));
    found.provides.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &[&str]) -> String {
        fields.join("\u{1f}") + "\u{1e}"
    }

    #[test]
    fn packages_provides_and_files_are_read() {
        let answer = [
            record(&["N", "bash", "(none)", "5.2", "1.dd1", "x86_64", "bash-5.2-1.dd1.src.rpm"]),
            record(&["V", "bash", "5.2-1.dd1"]),
            record(&["V", "/bin/sh", ""]),
            record(&["F", "/usr/bin/bash", ""]),
            record(&["F", "/usr/share/doc/bash/README", ""]),
            record(&["N", "filesystem", "1", "1.0", "1.dd1", "noarch", "filesystem-1.0-1.dd1.src.rpm"]),
            "(none)".to_owned() + &record(&["F", "/bin", "usr/bin"]),
            record(&["N", "drydock-given-bootstrap", "(none)", "1", "1", "noarch", "(none)"]),
            record(&["V", "gcc", "12.2"]),
        ];
        let found = parse(&answer.concat());
        let packages: Vec<String> = found.packages.iter().map(ToString::to_string).collect();
        assert_eq!(packages, ["bash-5.2-1.dd1.x86_64", "filesystem-1:1.0-1.dd1.noarch"]);
        let provides: Vec<String> = found.provides.iter().map(ToString::to_string).collect();
        assert_eq!(
            provides,
            ["/bin", "/bin/bash", "/bin/sh", "/usr/bin/bash", "bash = 5.2-1.dd1", "gcc = 12.2"],
            "documentation is not required"
        );
    }

    #[test]
    fn an_empty_database_has_nothing() {
        assert_eq!(parse(""), Installed::default());
    }
}
