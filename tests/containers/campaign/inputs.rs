//! The project's inputs: where they come from, and how each of them can change.

use std::fs;
use std::path::Path;

use drydock::digest::Sha256;

use super::plan::Input;
use super::room::Room;
use crate::mini::copy;
use crate::rootfs;

const FIXTURE: &str = "tests/fixtures/campaign";

/// Writes the project as its author left it.
pub(super) fn write(room: &Room) {
    copy(Path::new(FIXTURE), &room.project());
    rootfs::write_with_rpm(&room.project().join("base.tar"));
}

/// Writes the source that only the server has.
pub(super) fn write_served(folder: &Path) {
    fs::create_dir_all(folder.join("sources")).unwrap();
    let text: String = (1..=4000).map(|line| format!("Once upon a time, line {line}.\n")).collect();
    fs::write(folder.join("sources/story.txt"), text).unwrap();
}

impl Input {
    /// Its files, below the project.
    fn files(self) -> &'static [&'static str] {
        match self {
            Self::Copied => &["notes.txt"],
            Self::Containerfile => &["campaign.containerfile"],
            Self::Spec => &["SPECS/words/words.spec"],
            // In this order a careful author writes them.
            Self::Source => &["SPECS/words/words.txt", "SPECS/words/words.signatures.json"],
            Self::MacroFile => &["campaign.macros"],
            Self::Image => &["image.json"],
        }
    }

    /// Changes the input so that results change, one file after the other, in place.
    pub(super) fn change(self, room: &Room) {
        for file in self.files() {
            let path = room.project().join(file);
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, self.changed(file, &text)).unwrap();
        }
    }

    /// Takes [`Input::change`] back.
    pub(super) fn change_back(self, room: &Room) {
        for file in self.files() {
            fs::write(room.project().join(file), fs::read(Path::new(FIXTURE).join(file)).unwrap()).unwrap();
        }
    }

    fn changed(self, file: &str, text: &str) -> String {
        match self {
            Self::Copied => format!("{text}The second line.\n"),
            Self::Containerfile => text.replace("/> /", "/>> /"),
            Self::Spec => text.replace("cp %{SOURCE0} text", "sort -r %{SOURCE0} > text"),
            Self::Source if file.contains(".signatures.") => {
                let (old, new) = (source(), self.changed("words.txt", &source()));
                let digest = |text: &str| Sha256::of_bytes(text.as_bytes()).to_string();
                text.replace(&digest(&old), &digest(&new))
            }
            Self::Source => format!("{text}another word\n"),
            Self::MacroFile => text.replace("wood", "stone"),
            Self::Image => text.replace("\"story\"", "\"story\", \"shelf\""),
        }
    }
}

/// The source of `words`.
fn source() -> String {
    fs::read_to_string(Path::new(FIXTURE).join("SPECS/words/words.txt")).unwrap()
}
