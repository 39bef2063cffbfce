//! The graph as a drawing that needs no other program.
//!
//! Specs stand in columns: left those that need nothing, each other one column right of the last that it needs. A line
//! goes from a spec to one that it needs; what a spec needs only through another is not drawn, and stands in its tooltip.
//! The same graph gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::BuildGraph;
use super::ring::rings;
use super::text::remote_edges;

/// Sizes in pixels.
const BOX_HEIGHT: usize = 22;
const ROW: usize = 32;
const COLUMN_GAP: usize = 70;
const MARGIN: usize = 20;
const LETTER: usize = 7;
/// How often columns are put in order by their neighbours.
const SWEEPS: usize = 8;

const STYLE: &str = "text{font:12px sans-serif}rect{fill:#eef3fb;stroke:#4a6fa5}path{fill:none;stroke:#999}\
                     .goal rect{stroke-width:2.5}.remote rect{fill:#f4f4f4;stroke-dasharray:2 2}\
                     .check rect{fill:#fff;stroke-dasharray:6 3}path.check{stroke-dasharray:6 3}\
                     .ring rect{fill:#fbe3e3;stroke:#c00}path.ring{stroke:#c00;stroke-width:2}";

type Needs = BTreeMap<String, BTreeSet<String>>;

/// A box: what it stands for, where it is, and how it looks.
struct Place {
    column: usize,
    x: usize,
    y: usize,
    width: usize,
    class: String,
}

/// The builds of the run as SVG 1.1. Goals have a bold frame, packages of remote repositories a dotted one, checks that
/// stand apart a dashed one; specs that need each other are red.
pub fn to_svg(graph: &BuildGraph) -> String {
    let (needs, rings) = (all_needs(graph), rings(&graph.needs));
    let ring_of = |name: &str| rings.iter().position(|(_, members)| members.contains(name));
    let columns = columns(&needs, &ring_of);
    let drawn = reduced(&needs, &columns);
    let mut places = places(&drawn, &columns);
    for (name, place) in &mut places {
        let checked = name.strip_prefix(CHECK);
        let classes = [
            ("goal", graph.goals.contains(name)),
            ("check", checked.is_some()),
            ("remote", checked.is_none() && !graph.needs.contains_key(name)),
            ("ring", ring_of(name).is_some()),
        ];
        place.class = classes.iter().filter(|(_, is)| *is).map(|(class, _)| *class).collect::<Vec<_>>().join(" ");
    }
    let width = places.values().map(|place| place.x + place.width).max().unwrap_or_default() + MARGIN;
    let height = places.values().map(|place| place.y + BOX_HEIGHT).max().unwrap_or_default() + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\">\n<style>{STYLE}</style>\n"
    );
    for (name, wanted) in &drawn {
        for need in wanted.iter().filter(|need| places.contains_key(*need)) {
            let class = match (ring_of(name), ring_of(need)) {
                (Some(one), Some(other)) if one == other => "ring",
                _ if name.starts_with(CHECK) => "check",
                _ => "",
            };
            line(&mut svg, (&places[name], &places[need]), class);
        }
    }
    for (name, place) in &places {
        draw_box(&mut svg, name, place, &tooltip(name, &needs, ring_of(name).map(|at| rings[at].0.as_slice())));
    }
    svg.push_str("</svg>\n");
    svg
}

/// What the name of a check begins with; no spec's name has a space.
const CHECK: &str = "%check of ";

/// Specs, checks that stand apart and packages of remote repositories, with what each needs.
fn all_needs(graph: &BuildGraph) -> Needs {
    let mut needs = graph.needs.clone();
    for (spec, wanted) in &graph.checks {
        let wanted = wanted.iter().chain([spec]).cloned().collect();
        needs.insert(format!("{CHECK}{spec}"), wanted);
    }
    for (from, to) in remote_edges(graph) {
        needs.entry(to.clone()).or_default();
        needs.entry(from).or_default().insert(to);
    }
    let known: BTreeSet<String> = needs.keys().cloned().collect();
    for wanted in needs.values_mut() {
        wanted.retain(|need| known.contains(need));
    }
    needs
}

/// The column of each: the length of the longest chain of needs after it. Members of a ring share the column of the ring,
/// which counts as one.
fn columns(needs: &Needs, ring_of: &dyn Fn(&str) -> Option<usize>) -> BTreeMap<String, usize> {
    let together = |a: &str, b: &str| a == b || ring_of(a).is_some_and(|ring| ring_of(b) == Some(ring));
    let mut columns: BTreeMap<String, usize> = needs.keys().map(|name| (name.clone(), 0)).collect();
    // Each round settles at least one more column.
    for _ in 0..=needs.len() {
        let mut changed = false;
        for (name, wanted) in needs {
            let others = wanted.iter().filter(|need| !together(name, need)).map(|need| columns[need] + 1);
            let ring = wanted.iter().filter(|need| together(name, need)).map(|need| columns[need]);
            let column = others.chain(ring).max().unwrap_or_default();
            if column > columns[name] {
                columns.insert(name.clone(), column);
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    columns
}

/// The needs that follow from no other need of the same spec.
fn reduced(needs: &Needs, columns: &BTreeMap<String, usize>) -> Needs {
    let mut order: Vec<&String> = needs.keys().collect();
    order.sort_by_key(|name| (columns[*name], *name));
    let mut below: BTreeMap<&String, BTreeSet<&String>> = BTreeMap::new();
    for name in order {
        let through = needs[name].iter().filter_map(|need| below.get(need)).flatten().copied();
        let all = through.chain(&needs[name]).collect();
        below.insert(name, all);
    }
    let is_implied = |name: &String, need: &String| {
        let mut others = needs[name].iter().filter(|other| *other != need && columns[*other] > columns[need]);
        columns[need] < columns[name]
            && others.any(|other| columns[other] < columns[name] && below[other].contains(need))
    };
    let kept = |name: &String| needs[name].iter().filter(|need| !is_implied(name, need)).cloned().collect();
    needs.keys().map(|name| (name.clone(), kept(name))).collect()
}

/// Where the boxes are. A box comes as near to the middle of its neighbours as its column permits.
fn places(needs: &Needs, columns: &BTreeMap<String, usize>) -> BTreeMap<String, Place> {
    let mut neighbours: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, need) in needs.iter().flat_map(|(name, wanted)| wanted.iter().map(move |need| (name, need))) {
        neighbours.entry(name).or_default().push(need);
        neighbours.entry(need).or_default().push(name);
    }
    let mut stacks: Vec<Vec<&str>> = vec![Vec::new(); columns.values().max().map_or(0, |last| last + 1)];
    for (name, column) in columns {
        stacks[*column].push(name);
    }
    let tallest = stacks.iter().map(Vec::len).max().unwrap_or_default();
    let top = |stack: &[&str]| (tallest - stack.len()) * ROW / 2;
    let height = |stacks: &[Vec<&str>]| -> BTreeMap<String, usize> {
        let of = |stack: &Vec<&str>| {
            let first = top(stack);
            stack.iter().enumerate().map(move |(row, name)| ((*name).to_owned(), first + row * ROW)).collect::<Vec<_>>()
        };
        stacks.iter().flat_map(of).collect()
    };
    for sweep in 0..SWEEPS {
        for step in 0..stacks.len() {
            let at = if sweep % 2 == 0 { step } else { stacks.len() - 1 - step };
            let heights = height(&stacks);
            let middle = |name: &str| {
                let around = neighbours.get(name).map(Vec::as_slice).unwrap_or_default();
                let sum: usize = around.iter().map(|other| heights[*other]).sum();
                sum.checked_div(around.len()).unwrap_or(heights[name])
            };
            stacks[at].sort_by_cached_key(|name| (middle(name), *name));
        }
    }
    let heights = height(&stacks);
    let (mut places, mut x) = (BTreeMap::new(), MARGIN);
    for (column, stack) in stacks.iter().enumerate() {
        let width = stack.iter().map(|name| name.chars().count() * LETTER + 16).max().unwrap_or_default();
        for name in stack {
            let y = MARGIN + heights[*name];
            places.insert((*name).to_owned(), Place { column, x, y, width, class: String::new() });
        }
        x += width + COLUMN_GAP;
    }
    places
}

fn line(svg: &mut String, (from, to): (&Place, &Place), class: &str) {
    let (y1, y2) = (from.y + BOX_HEIGHT / 2, to.y + BOX_HEIGHT / 2);
    // Inside a column the line bends around at the right.
    let (x1, x2, bend) = if from.column == to.column {
        let right = from.x + from.width;
        (right, right, right + COLUMN_GAP / 2)
    } else {
        (from.x, to.x + to.width, usize::midpoint(from.x, to.x + to.width))
    };
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let _ = writeln!(svg, "<path{class} d=\"M{x1} {y1}C{bend} {y1} {bend} {y2} {x2} {y2}\"/>");
}

fn draw_box(svg: &mut String, name: &str, place: &Place, tooltip: &str) {
    let Place { x, y, width, class, .. } = place;
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let _ = writeln!(
        svg,
        "<g{class}><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BOX_HEIGHT}\" rx=\"3\"/>\
         <text x=\"{}\" y=\"{}\">{}</text></g>",
        escaped(tooltip),
        x + 8,
        y + 15,
        escaped(name),
    );
}

fn tooltip(name: &str, needs: &Needs, ring: Option<&[String]>) -> String {
    let list = |names: &[&str]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    let wanted: Vec<&str> = needs[name].iter().map(String::as_str).collect();
    let by: Vec<&str> = needs.iter().filter(|(_, all)| all.contains(name)).map(|(other, _)| other.as_str()).collect();
    let by = if by.is_empty() { "nobody".to_owned() } else { by.join(", ") };
    let ring = ring.map(|ring| format!("\nring: {} -> {}", ring.join(" -> "), ring[0])).unwrap_or_default();
    format!("{name}\nneeds {}\nneeded by {by}{ring}", list(&wanted))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
