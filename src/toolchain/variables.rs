//! The variables of a containerfile: those of `ENV`, of `ARG`, and of the image below.
//!
//! As `docker build` has it, what `ARG` sets before `FROM` counts behind it once `ARG` names it there again, and a variable
//! of the image is stronger than an argument.

use std::collections::BTreeMap;

/// The variables at some line of a containerfile.
#[derive(Default)]
pub(super) struct Variables<'a> {
    /// Those of `ENV`.
    pub(super) env: BTreeMap<String, String>,
    /// Those of `ARG` before `FROM`.
    outer: BTreeMap<String, String>,
    /// Those of `ARG` behind it; None before it.
    args: Option<BTreeMap<String, String>>,
    /// `NAME=value` of the image below, when that is known.
    base: Option<&'a [String]>,
}

impl<'a> Variables<'a> {
    pub(super) fn on(base: Option<&'a [String]>) -> Self {
        Self { base, ..Self::default() }
    }

    /// `FROM` was read.
    pub(super) fn start(&mut self) {
        self.args = Some(BTreeMap::new());
    }

    /// One word of `ARG`: `NAME=value` or `NAME`, which takes the value that it has. The base is the pipeline's affair.
    pub(super) fn argument(&mut self, word: &str) {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, self.outer.get(word).cloned().or_else(|| of_platform(word))),
        };
        if let Some(value) = value.filter(|_| name != "BASE") {
            self.args.as_mut().unwrap_or(&mut self.outer).insert(name.to_owned(), value);
        }
    }

    /// The value of `name`. While the image below is not known, what it may give stands as it is.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        let Some(args) = &self.args else { return self.outer.get(name).cloned() };
        let below = || {
            let mut entries = self.base?.iter();
            entries.find_map(|entry| entry.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        let not_known_yet = || self.base.is_none().then(|| format!("${{{name}}}"));
        self.env.get(name).cloned().or_else(below).or_else(|| args.get(name).cloned()).or_else(not_known_yet)
    }

    /// What a command gets besides the variables of the image below.
    pub(super) fn of_command(&self) -> BTreeMap<String, String> {
        let has = |name: &str| self.base.into_iter().flatten().any(|entry| entry.split('=').next() == Some(name));
        let args = self.args.iter().flatten().filter(|(name, _)| !has(name));
        let args = args.map(|(name, value)| (name.clone(), value.clone()));
        args.chain(self.env.clone()).collect()
    }
}

/// The arguments that `docker build` knows by itself: the image is made for the machine that makes it.
fn of_platform(name: &str) -> Option<String> {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    match name.strip_prefix("TARGET").or_else(|| name.strip_prefix("BUILD"))? {
        "ARCH" => Some(arch.to_owned()),
        "OS" => Some("linux".to_owned()),
        "PLATFORM" => Some(format!("linux/{arch}")),
        _ => None,
    }
}
