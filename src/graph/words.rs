//! How near a package is to a capability by the words of its name and of its files.

use std::collections::{HashMap, HashSet};

use crate::spec::SourcePackage;

use super::capability::Trace;
use super::universe::{Binary, made_by};

/// The shortest word that says something.
const SHORTEST: usize = 3;

/// How far a package is from a capability; nearer is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Distance {
    /// False when its name has the thing's whole name, or one of its files has.
    is_unnamed: bool,
    /// Letters of the thing's words that the names of package and spec do not say.
    unsaid_by_name: usize,
    /// The same for the names of its files besides.
    unsaid_by_files: usize,
    /// The same for all files of its spec besides.
    unsaid: usize,
    /// All letters of the words.
    all: usize,
    /// How many letters in a row the names have in common.
    pub(super) letters_in_common: usize,
}

impl Distance {
    /// Whether they have a word in common.
    pub(super) fn is_near(self) -> bool {
        !self.is_unnamed || self.unsaid < self.all
    }
}

/// The words of every package.
pub(super) struct Words {
    of_packages: Vec<Said>,
    /// Words of the specs: their names, and the parts of all their entries.
    of_specs: HashMap<usize, HashSet<String>>,
}

#[derive(Default)]
struct Said {
    spec: usize,
    /// The package's name in small letters, without anything between them.
    squeezed: String,
    name: HashSet<String>,
    files: HashSet<String>,
    /// The last parts of its entries, in the same form.
    bases: Vec<String>,
}

impl Words {
    /// The words of `binaries` and of the `specs` that make them.
    pub(super) fn new(specs: &[SourcePackage], binaries: &[Binary<'_>]) -> Self {
        let mut words = Self { of_packages: Vec::new(), of_specs: HashMap::new() };
        words.of_packages.extend(binaries.iter().map(|binary| {
            let name = &binary.package.nevra.name;
            let spec = binary.spec.unwrap_or_default();
            let mut said = Said { spec, squeezed: squeezed(name), ..Said::default() };
            said.name.extend(of(name));
            said.name.extend(specs.get(spec).into_iter().flat_map(|source| of(&source.nevra.name)));
            said
        }));
        for (number, source) in specs.iter().enumerate() {
            let made = made_by(binaries, number);
            let mut all: HashSet<String> = HashSet::new();
            for file in &source.files {
                let said: Vec<String> = of(&file.path).collect();
                let is_of = |binary: &usize| binaries[*binary].package.nevra.name == file.package;
                if let Some(binary) = made.clone().find(is_of) {
                    words.of_packages[binary].files.extend(said.iter().cloned());
                    words.of_packages[binary].bases.extend(file.path.rsplit('/').next().map(squeezed));
                }
                all.extend(said);
            }
            words.of_specs.insert(number, all);
        }
        words
    }

    /// How far the package is from what `trace` tells.
    pub(super) fn distance(&self, binary: usize, trace: &Trace) -> Distance {
        let Some(said) = self.of_packages.get(binary) else { return Distance::FAR };
        let letters = |is_said: &dyn Fn(&String) -> bool| -> usize {
            trace.words.iter().filter(|word| !is_said(word)).map(String::len).sum()
        };
        let of_spec = self.of_specs.get(&said.spec);
        let by_name = |word: &String| said.name.contains(word);
        let by_files = |word: &String| by_name(word) || said.files.contains(word);
        let by_spec = |word: &String| by_files(word) || of_spec.is_some_and(|all| all.contains(word));
        Distance {
            is_unnamed: !self.names(binary, trace),
            unsaid_by_name: letters(&by_name),
            unsaid_by_files: letters(&by_files),
            unsaid: letters(&by_spec),
            all: letters(&|_| false),
            letters_in_common: in_common(&said.squeezed, &trace.whole),
        }
    }

    /// Whether the package's name, or that of one of its files, has the thing's whole name in it.
    pub(super) fn names(&self, binary: usize, trace: &Trace) -> bool {
        let Some(said) = self.of_packages.get(binary) else { return false };
        let whole = trace.whole.as_str();
        whole.len() > SHORTEST && (said.squeezed.contains(whole) || said.bases.iter().any(|base| base.contains(whole)))
    }

    /// Whether the package's name alone has the thing's whole name in it.
    pub(super) fn is_named_after(&self, binary: usize, trace: &Trace) -> bool {
        let said = self.of_packages.get(binary);
        trace.whole.len() > SHORTEST && said.is_some_and(|said| said.squeezed.contains(&trace.whole))
    }
}

impl Distance {
    /// Of what nothing is known.
    const FAR: Self =
        Self { is_unnamed: true, unsaid_by_name: 0, unsaid_by_files: 0, unsaid: 0, all: 0, letters_in_common: 0 };
}

/// The words of a name or path that have three letters at least, in small letters, without `lib` before them; those with
/// digits at their end also without these.
pub(super) fn of(text: &str) -> impl Iterator<Item = String> + '_ {
    let parts = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.flat_map(|part| {
        let word = part.to_ascii_lowercase();
        let word = word.strip_prefix("lib").map(str::to_owned).unwrap_or(word);
        let bare = word.trim_end_matches(|letter: char| letter.is_ascii_digit()).to_owned();
        let both = if bare == word { [Some(word), None] } else { [Some(word), Some(bare)] };
        both.into_iter().flatten().filter(|word| word.len() >= SHORTEST)
    })
}

/// The words of a name, each once and without the digits at its end, unless these make it a word.
pub(super) fn shortest_forms(name: &str) -> Vec<String> {
    let mut forms: Vec<String> = Vec::new();
    for word in of(name) {
        let longer = forms.last_mut().filter(|last| last.starts_with(&word));
        if let Some(longer) = longer {
            *longer = word;
        } else if !forms.contains(&word) {
            forms.push(word);
        }
    }
    forms
}

/// The letters and digits of a name, in small letters, without a leading `lib`.
pub(super) fn squeezed(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase());
    let text: String = letters.collect();
    text.strip_prefix("lib").map(str::to_owned).unwrap_or(text)
}

/// The length of the longest run of letters that both have; 0 when it is shorter than a word.
fn in_common(a: &str, b: &str) -> usize {
    let mut longest = 0;
    let mut before = vec![0; b.len() + 1];
    for x in a.bytes() {
        let mut row = vec![0; b.len() + 1];
        for (at, y) in b.bytes().enumerate() {
            if x == y {
                row[at + 1] = before[at] + 1;
                longest = longest.max(row[at + 1]);
            }
        }
        before = row;
    }
    if longest < SHORTEST { 0 } else { longest }
}
