//! Which spec a file of the repository belongs to, where several specs make one of that name. Pure.
//!
//! A file belongs to the spec whose RPM is there, in whatever run that was built, as long as the spec is there and still
//! makes it. Otherwise it belongs to the first spec of a run. All others that make it are not built: their RPMs would
//! take its place.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use crate::package::Nevra;
use crate::spec::SourcePackage;

/// The files that specs make.
pub struct Claims<'a> {
    specs: HashMap<&'a str, &'a SourcePackage>,
    /// Specs that are there and do not parse: what they make is not known.
    unreadable: BTreeSet<String>,
    /// Names of the specs that make each file, in the order of the specs.
    makers: HashMap<String, Vec<&'a str>>,
}

/// A file that belongs to another spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its folder and name in the repository.
    pub location: String,
    /// The spec that it belongs to.
    pub owner: String,
}

/// An RPM that is in the repository: its spec and what it is.
pub type Owned = (String, Nevra);

impl<'a> Claims<'a> {
    /// The files of `specs` that are built for this architecture; of the specs `unreadable` nothing more is known.
    pub fn new(specs: &'a [SourcePackage], unreadable: BTreeSet<String>) -> Self {
        let mut makers: HashMap<String, Vec<&str>> = HashMap::new();
        let built = || specs.iter().filter(|package| package.excluded.is_none());
        for package in built() {
            for nevra in package.declared() {
                makers.entry(nevra.location()).or_default().push(&package.spec);
            }
        }
        Self { specs: built().map(|package| (package.spec.as_str(), package)).collect(), unreadable, makers }
    }

    /// True when `spec`, whose RPM this is, is there and still makes it.
    pub fn holds(&self, spec: &str, nevra: &Nevra) -> bool {
        self.unreadable.contains(spec) || self.specs.get(spec).is_some_and(|package| package.makes(nevra))
    }

    /// False when it is clear that no file of a spec belongs to another one, whatever is run.
    pub fn has_rivals(&self, published: &[Owned]) -> bool {
        self.makers.values().any(|makers| makers.len() > 1)
            || published.iter().any(|(spec, _)| self.unreadable.contains(spec))
    }

    /// For each spec of `run` that must not be built, why: what it makes belongs to another one. `published` are the RPMs of
    /// the repository; of specs that have none, the first ones of `run` come first.
    pub fn refused(&self, published: &[Owned], run: &[&str]) -> BTreeMap<String, Taken> {
        let mut owners: HashMap<String, &str> = HashMap::new();
        for (spec, nevra) in published.iter().filter(|(spec, nevra)| self.holds(spec, nevra)) {
            let location = nevra.location();
            if self.others(spec, &location).next().is_some() {
                owners.entry(location).or_insert(spec);
            }
        }
        let mut refused = BTreeMap::new();
        for spec in run {
            let contested = || self.locations(spec).filter(|location| self.others(spec, location).next().is_some());
            let taken = self.locations(spec).find_map(|location| {
                let owner = owners.get(&location).filter(|owner| *owner != spec)?;
                Some(Taken { owner: (*owner).to_owned(), location })
            });
            match taken {
                Some(taken) => drop(refused.insert((*spec).to_owned(), taken)),
                None => owners.extend(contested().map(|location| (location, *spec))),
            }
        }
        refused
    }

    /// Files of the specs of `run` that other specs would make as well, each with one of those.
    pub fn shared(&self, run: &[&str]) -> Vec<(String, Taken)> {
        let of_spec = |spec: &&str| {
            let owner = |location: &String| Some(self.others(spec, location).next()?.to_owned());
            let mut found =
                self.locations(spec).filter_map(|location| Some(Taken { owner: owner(&location)?, location }));
            found.next().map(|taken| ((*spec).to_owned(), taken))
        };
        run.iter().filter_map(of_spec).collect()
    }

    fn locations(&self, spec: &str) -> impl Iterator<Item = String> + use<'_, 'a> {
        self.specs.get(spec).into_iter().flat_map(|package| package.declared()).map(Nevra::location)
    }

    /// The other specs that make the file.
    fn others(&self, spec: &str, location: &str) -> impl Iterator<Item = &'a str> {
        self.makers.get(location).into_iter().flatten().copied().filter(move |maker| *maker != spec)
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it makes `{}`, which `{}.spec` makes, too", self.location, self.owner)
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
        let binary = |name: &&str| BinaryPackage { nevra: nevra(name, "noarch"), provides: vec![], requires: vec![] };
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
    fn specs_beside_the_run_that_make_the_same_are_told() {
        let specs = [spec("twin", &["twin"]), spec("twin-b", &["twin"]), spec("lone", &["lone"])];
        let claims = Claims::new(&specs, BTreeSet::new());
        let shared = claims.shared(&["lone", "twin"]);
        assert_eq!(shared.len(), 1);
        assert_eq!(shared[0].1.to_string(), "it makes `noarch/twin-1-1.noarch.rpm`, which `twin-b.spec` makes, too");
    }
}
