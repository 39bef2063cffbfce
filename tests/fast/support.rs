//! A project in a temporary folder, and the program run in it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A temporary project.
pub(crate) struct Project {
    folder: tempfile::TempDir,
}

/// What a run of the program gave.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Project {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the project.
    pub(crate) fn file(self, path: &str, content: &str) -> Self {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Runs `drydock` in the project's folder, without an engine that a test could reach by chance.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, ("LC_ALL", "C"))
    }

    /// The same with a variable of the environment.
    pub(crate) fn run_with(&self, arguments: &[&str], (name, value): (&str, &str)) -> Ran {
        let output = self.command(arguments).env(name, value).output().unwrap();
        let real: PathBuf = self.path().canonicalize().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&real.display().to_string(), "[DIR]");
        Ran { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// `drydock` in the project's folder, to be run in another way.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_drydock"));
        command.args(arguments).current_dir(self.path()).env("XDG_CACHE_HOME", self.path().join("cache"));
        for name in ["DOCKER_HOST", "DRYDOCK_LOG", "GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION"] {
            command.env_remove(name);
        }
        command
    }
}

impl Ran {
    /// Exit code and both outputs, for a snapshot.
    pub(crate) fn show(&self) -> String {
        format!(
            "exit code: {}\n--- stdout\n{}--- stderr\n{}",
            self.code.map_or("signal".to_owned(), |code| code.to_string()),
            self.stdout,
            self.stderr
        )
    }
}
