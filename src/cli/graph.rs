//! `drydock graph`: which package needs which.

use std::process::ExitCode;

use clap::ValueEnum;

use super::Project;
use super::fault::Fault;
use crate::graph::{self, BuildGraph};

/// Shows which package needs which
#[derive(clap::Args)]
#[command(
    after_help = "Examples: drydock graph --shape dot | dot -Tsvg > graph.svg\n          drydock graph --why kmod zlib"
)]
pub(super) struct Args {
    /// Spec files without `.spec`, or packages that specs make; the pipeline's when none is given
    names: Vec<String>,
    /// How the graph is written
    #[arg(long, value_enum, default_value = "list")]
    shape: Shape,
    /// Tells by which requirements A needs B
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["shape", "rdeps"])]
    why: Vec<String>,
    /// Lists what cannot be built without this spec
    #[arg(long, value_name = "SPEC", conflicts_with = "shape")]
    rdeps: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shape {
    /// One line a spec, in an order in which they can be built, with what it needs
    List,
    /// The DOT language of Graphviz
    Dot,
    /// Nodes, edges and choices
    Json,
}

#[expect(clippy::print_stdout, reason = "the graph is the command's data")]
pub(super) async fn run(project: &Project, args: Args) -> Result<ExitCode, Fault> {
    let prepared = project.look(&args.names).await?;
    let graph = &prepared.graph;
    let text = match (&args.why[..], &args.rdeps) {
        ([from, to], _) => {
            let why = graph.why(from, to);
            why.ok_or_else(|| Fault::usage(format!("`{from}` does not need `{to}`")))?.to_string()
        }
        (_, Some(spec)) if !graph.needs.contains_key(spec) => {
            return Err(Fault::usage(format!("the run has no spec `{spec}`")));
        }
        (_, Some(spec)) => graph.all_rdeps(spec).into_iter().collect::<Vec<_>>().join("\n"),
        _ => match args.shape {
            Shape::List => list(graph),
            Shape::Dot => graph::to_dot(graph),
            Shape::Json => graph::to_json(graph).to_string(),
        },
    };
    println!("{}", text.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn list(graph: &BuildGraph) -> String {
    let line = |spec: String| {
        let needs: Vec<&str> = graph.needs.get(&spec).into_iter().flatten().map(String::as_str).collect();
        if needs.is_empty() { spec } else { format!("{spec}: {}", needs.join(" ")) }
    };
    graph.order().into_iter().map(line).collect::<Vec<_>>().join("\n")
}
