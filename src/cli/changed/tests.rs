//! What `changed` names is what gets another build key, whatever was edited: held over random edits of a small project.

mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError};

use self::tree::{CHOICES, LENGTH, Tree};
use super::{Args, find};
use crate::changed::Changed;
use crate::cli::Project;
use crate::cli::bench::{Bench, Look};
use crate::cli::stand_in;
use crate::cli::wanted::SpecsArgs;

/// What is its own of the build key of each spec.
type Keys = BTreeMap<String, String>;

/// A project in a git repository, with another one inside it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(tree: &Tree, inner_is_recorded: bool) -> Self {
        // In memory where that is possible: nothing here has to outlive a power cut.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let place = Self { folder: folder.unwrap() };
        tree::write(&place.root(), tree, None);
        let ignored = if inner_is_recorded { "" } else { "own/\n" };
        std::fs::write(place.root().join(".gitignore"), ignored).unwrap();
        for repository in place.repositories() {
            git(&repository, &["init", "-q"]);
        }
        place.commit();
        for repository in place.repositories() {
            git(&repository, &["tag", "base"]);
        }
        place
    }

    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("project")
    }

    /// The inner one first: the other records its commit.
    fn repositories(&self) -> [std::path::PathBuf; 2] {
        [self.root().join("own"), self.root()]
    }

    fn commit(&self) {
        for repository in self.repositories() {
            git(&repository, &["add", "-A"]);
            git(&repository, &["commit", "-q", "--allow-empty", "-m", "a change"]);
        }
    }

    fn project(&self) -> Project {
        let (root, build) = (self.root(), self.folder.path().join("build"));
        let folders = [root.display().to_string(), build.display().to_string()];
        let arguments = ["drydock", "--project", &folders[0], "--build-dir", &folders[1], "--pipeline", "p.yaml"];
        stand_in::project(arguments.into_iter().chain(["--engine", "embedded", "changed", "--from", "base"])).0
    }
}

fn git(folder: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"];
    let quiet = ["-c", "advice.addEmbeddedRepo=false"];
    let ran = Command::new("git").args(identity).args(quiet).args(arguments).current_dir(folder).output().unwrap();
    assert!(ran.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// The keys that a plan of the project goes by now.
async fn keys(project: &Project) -> Keys {
    stand_in::read_specs(project);
    let pipeline = project.pipeline().ok().unwrap();
    let bench = Bench::new(project).ok().unwrap();
    let look = Look::at(&bench, &pipeline).ok().unwrap();
    let prepared = look.survey(&[]).await.ok().unwrap();
    look.runner.own_keys(&prepared).await
}

/// An edited project: what `changed` says of it, and the keys before and after.
struct Edited {
    changed: Changed,
    before: Keys,
    after: Keys,
}

impl Place {
    /// Makes `edits` of the project `base`, which it is and will be again.
    async fn edited(&self, base: &Tree, edits: &[(usize, u8)], is_committed: bool) -> Edited {
        let project = self.project();
        let before = keys(&project).await;
        let mut tree = base.clone();
        for (at, choice) in edits {
            tree[*at] = *choice;
        }
        tree::write(&self.root(), &tree, Some(base));
        let after = keys(&project).await;
        let to = is_committed.then(|| "HEAD".to_owned());
        if is_committed {
            self.commit();
        }
        let changed =
            find(&project, &Args { from: "base".to_owned(), to, specs: SpecsArgs::default() }).await.ok().unwrap();
        tree::write(&self.root(), base, Some(&tree));
        for repository in self.repositories() {
            git(&repository, &["reset", "-q", "base"]);
        }
        Edited { changed, before, after }
    }

    fn holds(&self, base: &Tree, edits: &[(usize, u8)], is_committed: bool) -> Result<(), TestCaseError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let Edited { changed, before, after } = runtime.block_on(self.edited(base, edits, is_committed));
        let differs = |spec: &&String| before.get(*spec) != after.get(*spec);
        let expected: BTreeSet<String> = after.keys().filter(differs).cloned().collect();
        let gone: BTreeSet<String> = before.keys().filter(|spec| !after.contains_key(*spec)).cloned().collect();
        let edits = edits.iter().filter(|(at, choice)| base[*at] != *choice);
        let edits: Vec<String> = edits.map(|(at, to)| format!("{}: {} -> {to}", tree::name(*at), base[*at])).collect();
        let why = format!("{edits:?}, committed: {is_committed}, {changed:#?}");
        prop_assert!(changed.specs.is_superset(&expected), "wanted {:?}; {}", expected, why);
        let more: Vec<&String> = changed.specs.difference(&expected).collect();
        prop_assert!(more.iter().all(|spec| perhaps(&changed).contains(spec.as_str())), "{:?} more; {}", more, why);
        prop_assert_eq!(&changed.removed, &gone, "{}", why);
        Ok(())
    }
}

/// What may be named for nothing: what an included file says, or which file `%(ls)` reads, is known only when it is read;
/// and so are the versions that others take of such specs.
fn perhaps(changed: &Changed) -> BTreeSet<&'static str> {
    let has = |path: &str| changed.files.iter().any(|file| file.path == Path::new(path));
    let mut found = BTreeSet::new();
    if ["common.inc", "more.inc", "needs"].iter().any(|name| has(&format!("SPECS/app/{name}"))) {
        found.extend(["app", "kmod", "next"]);
    }
    found.extend(has("SPECS/listing/README").then_some("listing"));
    found
}

fn trees() -> impl Strategy<Value = Tree> {
    // Most choices are the plain one, so that a failure is soon a small one.
    prop::collection::vec(prop_oneof![2 => Just(0), 1 => 0..CHOICES], LENGTH)
}

/// Few cases and always the same ones, unless `PROPTEST_CASES` and `PROPTEST_RNG_SEED` ask for others.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if asked.cases == 256 { 24 } else { asked.cases };
    let rng_seed = if let RngSeed::Random = asked.rng_seed { RngSeed::Fixed(16) } else { asked.rng_seed };
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..asked }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_changed_names_is_what_gets_another_key(
        base in trees(),
        edits in prop::collection::vec((0..LENGTH, 0..CHOICES), 1..4),
        is_recorded in any::<bool>(),
        is_committed in any::<bool>(),
    ) {
        Place::new(&base, is_recorded).holds(&base, &edits, is_committed)?;
    }
}

/// Each edit alone, of the plain project.
#[test]
fn every_single_edit_agrees() {
    let base: Tree = vec![0; LENGTH];
    let places = [false, true].map(|inner_is_recorded| Place::new(&base, inner_is_recorded));
    let edits = (0..LENGTH).flat_map(|at| (1..CHOICES).map(move |choice| (at, choice)));
    let wrong = edits.filter_map(|edit| places[usize::from(edit.1 == 1)].holds(&base, &[edit], edit.1 == 2).err());
    let wrong: Vec<String> = wrong.map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A second spec of a name that is not the one in force says nothing of the versions that others take.
#[test]
fn a_spec_that_another_stands_before_changes_no_version() {
    let at = |name: &str| (0..LENGTH).find(|at| tree::name(*at) == name).unwrap();
    let base: Tree = vec![0; LENGTH];
    for other in ["lib patch", "link of patch"] {
        let held = Place::new(&base, false).holds(&base, &[(at("own lib"), 2), (at(other), 2)], false);
        assert!(held.is_ok(), "{held:?}");
    }
}

/// What a stage provides stands in its image's RPM database alone: one more line changes what requires it and what asks
/// the database, and no other spec is read again.
#[test]
fn one_more_line_of_provides_changes_only_what_needs_it() {
    let base: Tree = vec![0; LENGTH];
    let place = Place::new(&base, false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let differ = |choice: u8| {
        let provides = (0..LENGTH).find(|at| tree::name(*at) == "provides").unwrap();
        let Edited { before, after, .. } = runtime.block_on(place.edited(&base, &[(provides, choice)], false));
        let differ = after.into_iter().filter(|(spec, key)| before.get(spec) != Some(key));
        differ.map(|(spec, _)| spec).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(differ(1), "listing rel", "`make`, which `rel` requires; `listing` asks the database");
    assert_eq!(differ(2), "listing rel", "the order does not count");
    assert_eq!(differ(3), "listing", "nothing requires it");
    let contexts = std::fs::read_dir(place.project().layout.spec_state().join("specs")).unwrap().count();
    assert_eq!(contexts, 1, "what was read before is found again");
}
