//! `drydock graph`: which package needs which.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::ValueEnum;

use super::fault::Fault;
use super::wanted::SpecsArgs;
use super::{Project, numbers, query};
use crate::graph::{self, BuildGraph, Direction, spec_named};
use crate::pipeline::Prepared;
use crate::report;

/// Shows which package needs which
#[derive(clap::Args)]
#[command(after_help = "Examples: drydock graph --shape svg > graph.svg\n          drydock graph --why kmod zlib")]
pub(super) struct Args {
    /// Spec files without `.spec`, or packages that specs make; the pipeline's when none is given
    names: Vec<String>,
    #[command(flatten)]
    pub(super) specs: SpecsArgs,
    #[arg(long, value_enum, help = "How the graph is written; as a list when not given")]
    shape: Option<Shape>,
    /// Tells by which requirements A needs B
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["shape", "rdeps"])]
    why: Vec<String>,
    /// Lists what cannot be built without this spec
    #[arg(long, value_name = "SPEC")]
    rdeps: Option<String>,
    /// Ends so many requirements away from the names, or, with --rdeps, from its spec
    #[arg(long, value_name = "N", value_parser = numbers::steps::<usize>, conflicts_with = "why")]
    depth: Option<usize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shape {
    /// One line a spec, in an order in which they can be built, with what it needs
    List,
    /// The DOT language of Graphviz
    Dot,
    /// A drawing
    Svg,
    /// Nodes, edges and choices
    Json,
}

pub(super) async fn run(project: &Project, args: Args) -> Result<ExitCode, Fault> {
    let text = words(project, &args).await?;
    if let Some(Shape::Json) = args.shape {
        report::json(&text)?
    } else {
        report::data(&text)?
    };
    Ok(ExitCode::SUCCESS)
}

/// What is written.
pub(super) async fn words(project: &Project, args: &Args) -> Result<String, Fault> {
    let prepared = query::look(project, &args.names, &args.specs).await?;
    let graph = &prepared.graph;
    let text = match (&args.why[..], &args.rdeps) {
        ([from, to], _) => {
            let why = graph.why(from, to);
            let absent = || [from, to].into_iter().find_map(|name| absent(&prepared, name));
            let text = || absent().unwrap_or_else(|| format!("`{from}` does not need `{to}`"));
            why.ok_or_else(|| Fault::usage(text()))?.to_string()
        }
        (_, Some(spec)) if !graph.needs.contains_key(spec) => {
            let text = absent(&prepared, spec);
            return Err(Fault::usage(text.unwrap_or_else(|| format!("the run has no spec `{spec}`"))));
        }
        (_, Some(spec)) => {
            let found = dependants(graph, spec, args.depth);
            match args.shape {
                None => found.into_iter().filter(|name| name != spec).collect::<Vec<_>>().join("\n"),
                Some(shape) => written(&graph.only(&found), shape),
            }
        }
        _ => {
            let shape = args.shape.unwrap_or(Shape::List);
            match args.depth {
                None => written(graph, shape),
                Some(depth) => written(&graph.only(&graph.within(&graph.goals, depth, Direction::Needs)), shape),
            }
        }
    };
    Ok(format!("{}\n", text.trim_end()))
}

/// Why the graph knows nothing of `name`, which is no spec of it; None when it is one.
fn absent(prepared: &Prepared, name: &str) -> Option<String> {
    let specs = &prepared.specs;
    if prepared.graph.needs.contains_key(name) {
        return None;
    }
    if specs.is_unreadable(name) {
        return Some(format!("`{name}` does not parse, so nothing is known of what it needs or makes"));
    }
    let Ok(spec) = spec_named(name, &specs.packages) else { return Some(format!("there is no spec `{name}`")) };
    let excluded = specs.packages.iter().find(|package| package.spec == spec)?.excluded.as_ref();
    excluded.map(|why| format!("`{spec}` is not built for this architecture: {why}"))
}

/// `spec` and what cannot be built without it, at most `depth` requirements away.
fn dependants(graph: &BuildGraph, spec: &str, depth: Option<usize>) -> BTreeSet<String> {
    let start = BTreeSet::from([spec.to_owned()]);
    match depth {
        None => graph.all_rdeps(spec).into_iter().map(str::to_owned).chain(start).collect(),
        // What asks for it at run time only can be built without it.
        Some(depth) => {
            let all: BTreeSet<String> = dependants(graph, spec, None);
            graph.within(&start, depth, Direction::Dependants).intersection(&all).cloned().collect()
        }
    }
}

fn written(graph: &BuildGraph, shape: Shape) -> String {
    match shape {
        Shape::List => list(graph),
        Shape::Dot => graph::to_dot(graph),
        Shape::Svg => graph::to_svg(graph),
        Shape::Json => graph::to_json(graph).to_string(),
    }
}

fn list(graph: &BuildGraph) -> String {
    let line = |spec: String| {
        let needs: Vec<&str> = graph.needs.get(&spec).into_iter().flatten().map(String::as_str).collect();
        if needs.is_empty() { spec } else { format!("{spec}: {}", needs.join(" ")) }
    };
    graph.order().into_iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::Command;
    use super::super::stand_in::Small;

    async fn told(words: &[&str]) -> String {
        let small = Small::of_every_kind();
        let (project, command) = small.open(&[&["graph"], words].concat());
        let Command::Graph(args) = command else { panic!("another command") };
        super::words(&project, &args).await.unwrap_or_else(|fault| fault.show())
    }

    #[tokio::test]
    async fn why_one_spec_needs_another_is_told_or_that_it_does_not() {
        insta::assert_snapshot!(told(&["--why", "app", "lib"]).await, @"app → BuildRequires lib → lib");
        insta::assert_snapshot!(told(&["--why", "lib", "app"]).await, @r"
        exit code: 2
        error: `lib` does not need `app`
        ");
        insta::assert_snapshot!(told(&["--why", "app", "far"]).await, @r"
        exit code: 2
        error: `far` is not built for this architecture: ExclusiveArch: s390x
        ");
        insta::assert_snapshot!(told(&["--why", "app", "none"]).await, @r"
        exit code: 2
        error: there is no spec `none`
        ");
    }

    #[tokio::test]
    async fn what_needs_a_spec_is_listed_or_why_nothing_is_known_of_it() {
        insta::assert_snapshot!(told(&["--rdeps", "lib"]).await, @"app");
        insta::assert_snapshot!(told(&["--rdeps", "lone"]).await, @"");
        insta::assert_snapshot!(told(&["--rdeps", "far"]).await, @r"
        exit code: 2
        error: `far` is not built for this architecture: ExclusiveArch: s390x
        ");
        insta::assert_snapshot!(told(&["--rdeps", "lob"]).await, @r"
        exit code: 2
        error: there is no spec `lob`
        ");
        insta::assert_snapshot!(told(&["app", "--rdeps", "lone"]).await, @r"
        exit code: 2
        error: the run has no spec `lone`
        ");
    }

    #[tokio::test]
    async fn folders_of_specs_are_those_that_are_given() {
        let small = Small::new(&[("app", "")]);
        let (project, _) = small.open(&["graph"]);
        let other = project.folder.join("OTHER");
        std::fs::create_dir(&other).unwrap();
        let (project, command) = small.open(&["graph", "app", "--specs-dir", "OTHER"]);
        let Command::Graph(args) = command else { panic!("another command") };
        let fault = super::words(&project, &args).await.unwrap_err();
        insta::assert_snapshot!(small.shown(&fault.show()), @r"
        exit code: 2
        error: there is no spec in `[DIR]/OTHER` or in a folder of it
        ");
    }
}
