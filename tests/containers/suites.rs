//! Engines of later Debian suites, which `.ci/engines` unpacks into a root of their own beside the system.

use std::path::PathBuf;

/// A suite of Debian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    Trixie,
    Sid,
}

/// Goes into the root `$1`, with the system's processes, devices and temporary files, and becomes the other words.
const ENTER: &str = r#"set -e; root=$1; shift
mount --bind "$root" "$root"
for folder in proc sys dev tmp; do mkdir -p "$root/$folder"; mount --rbind "/$folder" "$root/$folder"; done
mkdir -p "$root/run" "$root/.old"; mount -t tmpfs none "$root/run"
cd "$root"; pivot_root . .old; cd /; umount -l /.old; exec "$@""#;

impl Suite {
    /// All that are tried.
    pub const ALL: [Self; 2] = [Self::Trixie, Self::Sid];

    /// The folder of its root; `None` where the host's archive did not give its engines.
    pub fn root(self) -> Option<PathBuf> {
        let given = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = given.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
        let name = format!("{self:?}").to_lowercase();
        Some(cache.join("drydock-tests/engines").join(name)).filter(|root| root.join("usr/bin/podman").exists())
    }

    /// The words that run what follows them with the programs of the suite.
    pub fn enter(self) -> Vec<String> {
        let root = self.root().expect("`.ci/engines` has unpacked the suite").display().to_string();
        let words = ["unshare", "--mount", "--propagation", "private", "bash", "-c", ENTER, "enter", &root];
        words.map(str::to_owned).to_vec()
    }
}
