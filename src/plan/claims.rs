//! Which spec a package of the repository belongs to, where several specs make one of that name and version. Pure.
//!
//! It belongs to the spec whose RPM is there, in whatever run that was built, as long as the spec is there and still
//! makes it. Otherwise it belongs to the first spec of a run. All others that make it are not built: their RPMs would
//! take its place, or, where they are for another architecture, stand beside it, and a matter of luck would decide which is
//! installed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use crate::package::Nevra;
use crate::spec::SourcePackage;

/// The files that specs make.
pub struct Claims<'a> {
    specs: HashMap<&'a str, &'a SourcePackage>,
    /// Specs that are there and do not parse: what they make is not known.
    unreadable: BTreeSet<String>,
    /// The specs that make each package, in the order of the specs, and what it is there.
    makers: HashMap<Package, Vec<(&'a str, &'a Nevra)>>,
}

/// Names a package whatever its epoch, and for whatever architecture it is made.
#[derive(PartialEq, Eq, Hash)]
struct Package {
    name: String,
    version: String,
    release: String,
    is_source: bool,
}

/// A package that belongs to another spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Folder and name of its file in the repository.
    pub location: String,
    /// The spec that it belongs to.
    pub owner: String,
    /// Folder and name of the file that the owner makes.
    pub theirs: String,
}

/// An RPM that is in the repository: its spec and what it is.
pub type Owned = (String, Nevra);

impl<'a> Claims<'a> {
    /// The packages of `specs` that are built for this architecture; of the specs `unreadable` nothing more is known.
    pub fn new(specs: &'a [SourcePackage], unreadable: BTreeSet<String>) -> Self {
        let mut makers: HashMap<Package, Vec<(&str, &Nevra)>> = HashMap::new();
        let built = || specs.iter().filter(|package| package.excluded.is_none());
        for package in built() {
            for nevra in package.declared() {
                makers.entry(Package::of(nevra)).or_default().push((&package.spec, nevra));
            }
        }
        Self { specs: built().map(|package| (package.spec.as_str(), package)).collect(), unreadable, makers }
    }

    /// True when `spec`, whose RPM this is, is there and still makes it.
    pub fn holds(&self, spec: &str, nevra: &Nevra) -> bool {
        self.unreadable.contains(spec) || self.specs.get(spec).is_some_and(|package| package.makes(nevra))
    }

    /// False when it is clear that no package of a spec belongs to another one, whatever is run.
    pub fn has_rivals(&self, published: &[Owned]) -> bool {
        self.makers.values().any(|makers| makers.iter().any(|maker| maker.0 != makers[0].0))
            || published.iter().any(|(spec, _)| self.unreadable.contains(spec))
    }

    /// For each spec of `run` that must not be built, why: what it makes belongs to another one. `published` are the RPMs of
    /// the repository; of specs that have none, the first ones of `run` come first.
    pub fn refused(&self, published: &'a [Owned], run: &[&'a str]) -> BTreeMap<String, Taken> {
        let mut owners: HashMap<Package, (&str, &Nevra)> = HashMap::new();
        for (spec, nevra) in published.iter().filter(|(spec, nevra)| self.holds(spec, nevra)) {
            if self.other(spec, nevra).is_some() {
                owners.entry(Package::of(nevra)).or_insert((spec, nevra));
            }
        }
        let mut refused = BTreeMap::new();
        for spec in run {
            let taken = self.made_by(spec).find_map(|nevra| {
                let owner = owners.get(&Package::of(nevra)).filter(|owner| owner.0 != *spec)?;
                Some(Taken::new(nevra, *owner))
            });
            if let Some(taken) = taken {
                refused.insert((*spec).to_owned(), taken);
            } else {
                let contested = self.made_by(spec).filter(|nevra| self.other(spec, nevra).is_some());
                owners.extend(contested.map(|nevra| (Package::of(nevra), (*spec, nevra))));
            }
        }
        refused
    }

    /// Packages of the specs of `run` that other specs would make as well, each with one of those.
    pub fn shared(&self, run: &[&str]) -> Vec<(String, Taken)> {
        let of_spec = |spec: &&str| {
            let mut found = self.made_by(spec).filter_map(|nevra| Some(Taken::new(nevra, self.other(spec, nevra)?)));
            found.next().map(|taken| ((*spec).to_owned(), taken))
        };
        run.iter().filter_map(of_spec).collect()
    }

    fn made_by(&self, spec: &str) -> impl Iterator<Item = &'a Nevra> + use<'a> {
        self.specs.get(spec).copied().into_iter().flat_map(SourcePackage::declared)
    }

    /// The first of the other specs that make the package.
    fn other(&self, spec: &str, nevra: &Nevra) -> Option<(&'a str, &'a Nevra)> {
        self.makers.get(&Package::of(nevra))?.iter().find(|maker| maker.0 != spec).copied()
    }
}

impl Package {
    fn of(nevra: &Nevra) -> Self {
        let Nevra { name, evr, arch } = nevra;
        let (name, version, release) = (name.clone(), evr.version.clone(), evr.release.clone());
        Self { name, version, release, is_source: arch == "src" }
    }
}

impl Taken {
    fn new(nevra: &Nevra, (owner, theirs): (&str, &Nevra)) -> Self {
        Self { location: nevra.location(), owner: owner.to_owned(), theirs: theirs.location() }
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { location, owner, theirs } = self;
        if location == theirs {
            write!(f, "it makes `{location}`, which `{owner}.spec` makes, too")
        } else {
            write!(f, "it makes `{location}`, and `{owner}.spec` makes `{theirs}`, of the same name and version")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Evr;
    use crate::spec::{BinaryPackage, zlib};

    fn nevra(name: &str, arch: &str) -> Nevra {
        Nevra { name: name.into(), evr: Evr::parse("1-1"), arch: arch.into() }
    }

    /// A spec that makes the packages `names`, the first of which names it.
    fn spec(spec: &str, names: &[&str]) -> SourcePackage {
        let binary = |name: &&str| BinaryPackage::new(nevra(name, "noarch"));
        let binaries = names.iter().map(binary).collect();
        SourcePackage { spec: spec.into(), nevra: nevra(names[0], "src"), binaries, ..zlib() }
    }

    fn told(specs: &[SourcePackage], published: &[Owned], run: &[&str]) -> Vec<String> {
        let refused = Claims::new(specs, BTreeSet::from(["torn".to_owned()])).refused(published, run);
        refused.iter().map(|(spec, taken)| format!("{spec}: {} {}", taken.location, taken.owner)).collect()
    }

    fn owned(spec: &str, name: &str) -> Owned {
        (spec.to_owned(), nevra(name, "noarch"))
    }

    #[test]
    fn the_first_spec_of_a_run_makes_a_file_and_the_others_are_refused() {
        let specs = [spec("twin", &["twin"]), spec("twin-b", &["twin"]), spec("other", &["other", "twin"])];
        assert_eq!(
            told(&specs, &[], &["twin", "twin-b", "other"]),
            ["other: noarch/twin-1-1.noarch.rpm twin", "twin-b: noarch/twin-1-1.noarch.rpm twin"]
        );
        assert!(told(&specs, &[], &["twin-b"]).is_empty(), "what is not in the run takes nothing");
        assert!(told(&specs, &[], &["other"]).is_empty());
    }

    #[test]
    fn a_file_that_is_there_stays_with_its_spec() {
        let specs = [spec("twin", &["twin"]), spec("twin-b", &["twin"])];
        let published = [owned("twin-b", "twin")];
        for run in [&["twin", "twin-b"][..], &["twin"]] {
            assert_eq!(told(&specs, &published, run), ["twin: noarch/twin-1-1.noarch.rpm twin-b"]);
        }
        assert!(told(&specs, &published, &["twin-b"]).is_empty());
        assert_eq!(told(&specs, &[owned("torn", "twin")], &["twin"]), ["twin: noarch/twin-1-1.noarch.rpm torn"]);
    }

    #[test]
    fn a_spec_that_is_gone_or_makes_something_else_has_no_claim() {
        let twin = spec("twin", &["twin"]);
        let moved = spec("twin-b", &["moved"]);
        let excluded = SourcePackage { excluded: Some("ExclusiveArch: s390x".into()), ..spec("twin-c", &["twin"]) };
        let specs = [twin, moved, excluded];
        for owner in ["gone", "twin-b", "twin-c"] {
            assert!(told(&specs, &[owned(owner, "twin")], &["twin"]).is_empty(), "{owner}");
        }
        assert!(Claims::new(&specs, BTreeSet::new()).holds("twin", &nevra("twin", "noarch")));
    }

    #[test]
    fn what_is_refused_takes_nothing_from_others() {
        let specs = [spec("a", &["x"]), spec("b", &["b", "x", "y"]), spec("c", &["y"])];
        assert_eq!(told(&specs, &[], &["a", "b", "c"]), ["b: noarch/x-1-1.noarch.rpm a"]);
    }

    #[test]
    fn one_name_and_version_for_two_architectures_belongs_to_one_spec() {
        let for_arch = |arch: &str| {
            let mut twin = spec("twin-b", &["other", "twin"]);
            twin.binaries[1].nevra.arch = arch.to_owned();
            twin
        };
        let mut newer = spec("twin-c", &["twin"]);
        newer.binaries[0].nevra.evr = Evr::parse("2-1");
        newer.nevra.evr = Evr::parse("2-1");
        let specs = [spec("twin", &["twin"]), for_arch("x86_64"), newer];
        let claims = Claims::new(&specs, BTreeSet::new());
        assert!(claims.has_rivals(&[]));
        let run = ["twin", "twin-b", "twin-c"];
        let refused = claims.refused(&[], &run);
        assert_eq!(refused.keys().collect::<Vec<_>>(), ["twin-b"]);
        let told = "it makes `x86_64/twin-1-1.x86_64.rpm`, and `twin.spec` makes `noarch/twin-1-1.noarch.rpm`, of the same name and version";
        assert_eq!(refused["twin-b"].to_string(), told);
        let published = [("twin-b".to_owned(), specs[1].binaries[1].nevra.clone())];
        assert_eq!(claims.refused(&published, &run).keys().collect::<Vec<_>>(), ["twin"]);
    }

    #[test]
    fn specs_beside_the_run_that_make_the_same_are_told() {
        let specs = [spec("twin", &["twin"]), spec("twin-b", &["twin"]), spec("lone", &["lone"])];
        let claims = Claims::new(&specs, BTreeSet::new());
        let shared = claims.shared(&["lone", "twin"]);
        assert_eq!(shared.len(), 1);
        assert_eq!(shared[0].1.to_string(), "it makes `noarch/twin-1-1.noarch.rpm`, which `twin-b.spec` makes, too");
    }
}
