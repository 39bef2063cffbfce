//! From specs and goals to the graph of a run.
//!
//! In: [`Inputs`] and [`Goals`]. Out: a [`BuildGraph`], or everything that stands in its way. What each build needs is found
//! first ([`super::sets`]) and then written down with the reasons.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use petgraph::graph::NodeIndex;

use crate::digest::Sha256;
use crate::package::Requirement;

use super::closure::{Closure, Origin};
use super::partial::{Obstacle, Partial, leave_out};
use super::ring::{Needs, join_checks, rings};
use super::sets::{Asked, Set, settle, specs_of};
use super::universe::{Universe, made_by};
use super::unresolved::{Missing, unknown_goal};
use super::{BuildGraph, Choice, Edge, Goals, GraphError, Guess, Inputs, Node, Relation, Requirer, Ring, Step};

/// The graph of a run that reaches `goals`.
///
/// # Errors
/// All unknown goals; else all requirements of builds and checks that nothing satisfies; else all rings of builds.
pub fn resolve(inputs: Inputs<'_>, goals: &Goals) -> Result<BuildGraph, GraphError> {
    let mut run = Run::new(&inputs, goals);
    let asked = run.ask(goals)?;
    run.walk(&asked);
    run.finish()
}

/// As [`resolve`], but what cannot be built is left out and told.
///
/// # Errors
/// All unknown goals.
pub fn resolve_partly(inputs: Inputs<'_>, goals: &Goals) -> Result<Partial, GraphError> {
    let mut run = Run::new(&inputs, goals);
    let asked = run.ask(goals)?;
    run.walk(&asked);
    Ok(run.finish_partly())
}

/// As [`resolve_partly`], but what cannot be built is told and stays in the graph: who needs what is known all the same.
///
/// # Errors
/// All unknown goals.
pub fn survey(inputs: Inputs<'_>, goals: &Goals) -> Result<Partial, GraphError> {
    let mut run = Run::new(&inputs, goals);
    let asked = run.ask(goals)?;
    run.walk(&asked);
    let whole = (run.graph.needs.clone(), run.graph.goals.clone(), run.checks.clone());
    let mut partial = run.finish_partly();
    (partial.graph.needs, partial.graph.goals, partial.graph.checks) = whole;
    Ok(partial)
}

/// Paths that builds of the run require and nothing provides. Metadata of remote repositories name but few of the files
/// that packages have; their lists of files may have these.
///
/// # Errors
/// All unknown goals.
pub fn missing_paths(inputs: Inputs<'_>, goals: &Goals) -> Result<BTreeSet<String>, GraphError> {
    let mut run = Run::new(&inputs, goals);
    let asked = run.ask(goals)?;
    run.walk(&asked);
    let names = run.fatal.requirements().flat_map(Requirement::dependencies).map(|dependency| dependency.name.clone());
    Ok(names.filter(|name| name.starts_with('/')).collect())
}

struct Run<'a> {
    inputs: Inputs<'a>,
    universe: Universe<'a>,
    graph: BuildGraph,
    checks: Needs,
    nodes: HashMap<Node, NodeIndex>,
    /// Nodes of binaries.
    installs: HashMap<usize, NodeIndex>,
    edges: HashSet<(NodeIndex, NodeIndex, Relation, &'a Requirement)>,
    fatal: Missing,
    /// What is missing for the build or check of each spec.
    broken: BTreeMap<usize, BTreeSet<String>>,
    unmet: Missing,
    guesses: BTreeMap<usize, BTreeSet<Requirer>>,
    choices: BTreeSet<Choice>,
}

impl<'a> Run<'a> {
    fn new(inputs: &Inputs<'a>, goals: &'a Goals) -> Self {
        Self {
            inputs: *inputs,
            universe: Universe::new(inputs, goals),
            graph: BuildGraph::default(),
            checks: Needs::new(),
            nodes: HashMap::new(),
            installs: HashMap::new(),
            edges: HashSet::new(),
            fatal: Missing::default(),
            broken: BTreeMap::new(),
            unmet: Missing::default(),
            guesses: BTreeMap::new(),
            choices: BTreeSet::new(),
        }
    }

    /// Finds what the goals name, spec files before packages and what they provide.
    fn ask(&mut self, goals: &Goals) -> Result<Asked, GraphError> {
        let specs = self.inputs.specs;
        let mut asked = Asked::default();
        let mut unknown = Vec::new();
        match goals {
            Goals::All => (0..specs.len()).for_each(|spec| self.ask_spec(spec, &mut asked)),
            Goals::Named(words) => {
                for word in words {
                    if let Some(spec) = specs.iter().position(|source| source.spec == *word) {
                        self.ask_spec(spec, &mut asked);
                    } else if !self.ask_package(word, &mut asked) {
                        unknown.push(unknown_goal(word, &self.universe));
                    }
                }
            }
        }
        unknown.sort();
        unknown.dedup();
        if unknown.is_empty() { Ok(asked) } else { Err(GraphError::UnknownGoals(unknown)) }
    }

    fn ask_spec(&mut self, spec: usize, asked: &mut Asked) {
        let source = &self.inputs.specs[spec];
        if let Some(why) = &source.excluded {
            self.graph.excluded.insert(source.spec.clone(), why.clone());
        } else if asked.specs.insert(spec) {
            asked.binaries.extend(made_by(&self.universe.binaries, spec));
        }
    }

    /// False when no spec provides `word`.
    fn ask_package(&mut self, word: &str, asked: &mut Asked) -> bool {
        let best = self.universe.best_provider(word);
        if let Some(binary) = best {
            asked.specs.extend(self.universe.binaries[binary].spec);
            asked.binaries.push(binary);
            return true;
        }
        let excluded = self.inputs.specs.iter().filter(|source| source.excluded.is_some());
        let makes = excluded.filter(|source| source.binaries.iter().any(|package| package.nevra.name == word));
        let found: Vec<_> =
            makes.map(|source| (source.spec.clone(), source.excluded.clone().unwrap_or_default())).collect();
        let is_excluded = !found.is_empty();
        self.graph.excluded.extend(found);
        is_excluded
    }

    /// Finds every spec that the goals need, and what they need.
    fn walk(&mut self, asked: &Asked) {
        self.graph.goals = self.names(&asked.specs.iter().copied().collect());
        let sets = settle(&mut self.universe, &self.inputs, asked);
        sets.goals.values().for_each(|set| self.record(set, None));
        self.graph.needs = sets.needs(&self.universe, &self.inputs);
        sets.builds.iter().for_each(|(&spec, set)| self.record_build(spec, set));
    }

    /// Keeps what the build of a spec needs, and its check where it runs.
    fn record_build(&mut self, spec: usize, set: &Set<'a>) {
        let name = self.inputs.specs[spec].spec.clone();
        self.node(Node::Build { spec: name.clone() });
        for set in [Some(&set.build), set.check.as_ref()].into_iter().flatten() {
            self.record(set, Some(spec));
            self.note_remote(&name, set);
        }
        let unsure = set.unsure(&self.universe);
        if !unsure.is_empty() {
            self.graph.unsure.insert(name.clone(), self.names(&unsure));
        }
        let more = set.check.as_ref().map(|check| {
            specs_of(check, &self.universe).difference(&specs_of(&set.build, &self.universe)).copied().collect()
        });
        if let Some(more) = more.filter(|more: &BTreeSet<usize>| !more.is_empty()) {
            self.checks.insert(name, self.names(&more));
        }
    }

    /// Keeps which remote packages the build of a spec takes.
    fn note_remote(&mut self, spec: &str, set: &Closure) {
        let remote = set.members.iter().filter_map(|&binary| self.universe.binaries[binary].remote);
        let digests: BTreeSet<Sha256> = remote.map(crate::remote::RemotePackage::digest).collect();
        if !digests.is_empty() {
            self.graph.remote.entry(spec.to_owned()).or_default().extend(digests);
        }
    }

    fn names(&self, specs: &BTreeSet<usize>) -> BTreeSet<String> {
        specs.iter().map(|&spec| self.inputs.specs[spec].spec.clone()).collect()
    }

    /// Keeps edges, guesses, choices and what is missing of a set that is made for the build of `spec`, or for a goal.
    fn record(&mut self, set: &Closure<'a>, spec: Option<usize>) {
        for &(binary, _, origin) in &set.satisfied {
            let (from, to) = (self.demander(origin, spec), self.install_node(binary));
            let Some(from) = from else { continue };
            if from != to && self.edges.insert((from, to, origin.relation, origin.requirement)) {
                let requirement = Some(origin.requirement.to_string());
                self.graph.requirements.add_edge(from, to, Edge { relation: origin.relation, requirement });
            }
        }
        for &binary in &set.members {
            self.install_node(binary);
        }
        for &origin in &set.missing {
            let requirer = self.requirer(origin, spec);
            let Some(spec) = spec else {
                self.unmet.add(origin.requirement, requirer);
                continue;
            };
            self.fatal.add(origin.requirement, requirer);
            self.broken.entry(spec).or_default().insert(origin.requirement.to_string());
        }
        for &(leaf, origin) in &set.used {
            if self.universe.leaves[leaf].doubt.is_some() {
                let requirer = self.requirer(origin, spec);
                self.guesses.entry(leaf).or_default().insert(requirer);
            }
        }
        for &(leaf, taken) in &set.chosen {
            let answer = &self.universe.leaves[leaf];
            // The others of a guess are told with it.
            if answer.doubt.is_some() {
                continue;
            }
            let (requirement, names) = (answer.text.clone(), self.names_of(answer.candidates()));
            let taken = self.universe.binaries[taken].package.nevra.name.clone();
            let others: Vec<String> = names.into_iter().filter(|name| *name != taken).collect();
            if !others.is_empty() {
                self.choices.insert(Choice { requirement, taken, others });
            }
        }
    }

    /// Names of packages in their order, each once.
    fn names_of(&self, packages: &[usize]) -> Vec<String> {
        let mut told = HashSet::new();
        let names = packages.iter().map(|&binary| self.universe.binaries[binary].package.nevra.name.as_str());
        names.filter(|name| told.insert(*name)).map(str::to_owned).collect()
    }

    fn requirer(&self, origin: Origin, spec: Option<usize>) -> Requirer {
        let binary = origin.by.map(|binary| &self.universe.binaries[binary]);
        let source = binary.and_then(|binary| binary.spec).or(spec).map(|spec| &self.inputs.specs[spec]);
        Requirer {
            spec_path: source.map(|source| source.spec_path.clone()).unwrap_or_default(),
            relation: origin.relation,
            package: binary.map(|binary| binary.package.nevra.name.clone()),
        }
    }

    fn demander(&mut self, origin: Origin, spec: Option<usize>) -> Option<NodeIndex> {
        if let Some(binary) = origin.by {
            return Some(self.install_node(binary));
        }
        let spec = self.inputs.specs[spec?].spec.clone();
        if origin.relation != Relation::CheckRequires {
            return Some(self.node(Node::Build { spec }));
        }
        let build = self.node(Node::Build { spec: spec.clone() });
        let check = self.node(Node::Check { spec });
        self.graph.requirements.update_edge(check, build, Edge { relation: Relation::MadeBy, requirement: None });
        Some(check)
    }

    fn install_node(&mut self, number: usize) -> NodeIndex {
        if let Some(&known) = self.installs.get(&number) {
            return known;
        }
        let binary = &self.universe.binaries[number];
        let package = binary.package.nevra.clone();
        let Some(spec) = binary.spec.map(|spec| self.inputs.specs[spec].spec.clone()) else {
            let repository = binary.remote.map(|remote| remote.repository.clone()).unwrap_or_default();
            let prebuilt = self.node(Node::Prebuilt { package, repository });
            self.installs.insert(number, prebuilt);
            return prebuilt;
        };
        let install = self.node(Node::Install { spec: spec.clone(), package });
        let build = self.node(Node::Build { spec });
        self.graph.requirements.update_edge(install, build, Edge { relation: Relation::MadeBy, requirement: None });
        self.installs.insert(number, install);
        install
    }

    fn node(&mut self, node: Node) -> NodeIndex {
        let graph = &mut self.graph.requirements;
        *self.nodes.entry(node).or_insert_with_key(|node| graph.add_node(node.clone()))
    }

    fn finish(mut self) -> Result<BuildGraph, GraphError> {
        if !self.fatal.is_empty() {
            return Err(GraphError::Unresolved(self.fatal.explained(&self.universe)));
        }
        let rings = self.rings();
        if !rings.is_empty() {
            return Err(GraphError::Cycle { rings });
        }
        Ok(self.complete())
    }

    fn finish_partly(mut self) -> Partial {
        let rings = self.rings();
        let broken = std::mem::take(&mut self.broken).into_iter();
        let mut left_out: BTreeMap<String, Obstacle> =
            broken.map(|(spec, why)| (self.inputs.specs[spec].spec.clone(), Obstacle::Unresolved(why))).collect();
        for member in rings.iter().flat_map(|ring| &ring.members) {
            left_out.entry(member.clone()).or_insert(Obstacle::Ring);
        }
        leave_out(&mut self.graph, &mut self.checks, &mut left_out);
        let unresolved = std::mem::take(&mut self.fatal).explained(&self.universe);
        Partial { graph: self.complete(), unresolved, rings, left_out }
    }

    /// The rings among the builds. Keeps the guesses, which they are explained with.
    fn rings(&mut self) -> Vec<Ring> {
        self.graph.guesses = self.guesses().collect();
        self.graph.guesses.sort();
        let found = rings(&self.graph.needs);
        found.into_iter().map(|(specs, members)| self.explain_ring(specs, members)).collect()
    }

    fn complete(mut self) -> BuildGraph {
        self.graph.assumed = self.assumed();
        self.graph.unmet = self.unmet.explained(&self.universe);
        self.graph.choices = self.choices.into_iter().collect();
        self.graph.checks = join_checks(&mut self.graph.needs, self.checks);
        self.graph
    }

    /// The names that guesses find in packages of the toolchain image.
    fn assumed(&self) -> BTreeSet<String> {
        let leaves = self.guesses.keys().map(|&leaf| &self.universe.leaves[leaf]);
        let there = leaves.filter(|leaf| leaf.providers.iter().any(|binary| self.universe.is_installed(*binary)));
        let parts = there.filter_map(|leaf| leaf.text.parse::<Requirement>().ok());
        parts.flat_map(|part| part.dependencies().into_iter().map(|one| one.name.clone()).collect::<Vec<_>>()).collect()
    }

    fn guesses(&self) -> impl Iterator<Item = Guess> {
        self.guesses.iter().filter_map(|(&leaf, requirers)| {
            Some(Guess {
                requirement: self.universe.leaves[leaf].text.clone(),
                required_by: requirers.iter().cloned().collect(),
                candidates: self.names_of(self.universe.leaves[leaf].candidates()),
                why: self.universe.leaves[leaf].doubt.as_ref()?.why.clone(),
            })
        })
    }

    fn explain_ring(&self, specs: Vec<String>, members: BTreeSet<String>) -> Ring {
        let build = |spec: &String| self.nodes.get(&Node::Build { spec: spec.clone() }).copied();
        let next = specs.iter().cycle().skip(1);
        let reasons: Vec<Vec<Step>> =
            specs.iter().zip(next).filter_map(|(from, to)| self.graph.why_build(build(from)?, build(to)?)).collect();
        let is_guess = |text: &&String| self.graph.guesses.iter().any(|guess| guess.requirement == **text);
        let guessed = reasons
            .iter()
            .flatten()
            .filter_map(|step| step.edge.requirement.as_ref())
            .filter(is_guess)
            .cloned()
            .collect();
        Ring { specs, reasons, members, guessed }
    }
}
