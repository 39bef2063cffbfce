//! Names that a person may have meant: of packages, of keys in files, of targets. Pure.
//!
//! Upper and lower case are the same. Distances are those of `strsim`, which clap has in the tree anyway.

use std::collections::HashMap;

/// Names, ready for the question which of them are near to another one.
pub struct Names<'a> {
    by_core: HashMap<&'a str, Vec<&'a str>>,
    by_length: HashMap<usize, Vec<(Letters, &'a str)>>,
}

/// How often each letter stands in a text, in classes of letters.
type Letters = [u8; 32];

impl<'a> Names<'a> {
    /// Indexes `names`; a name may be there more than once.
    pub fn new(names: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut by_core, mut by_length): (HashMap<_, Vec<_>>, HashMap<_, Vec<_>>) = Default::default();
        for name in names {
            by_core.entry(core(name)).or_default().push(name);
            by_length.entry(name.len()).or_default().push((letters(name), name));
        }
        Self { by_core, by_length }
    }

    /// At most three that are nearest to `wanted`, the nearest first; none when nothing is near. Equal cores are
    /// nearest, then come those with the fewest letters to change.
    pub fn nearest(&self, wanted: &str) -> Vec<&'a str> {
        let count = wanted.chars().count();
        // Short words are near to too many.
        let allowed = if count < 3 { 0 } else { (count / 4).clamp(1, 3) };
        let core = core(wanted);
        let same = self.by_core.get(core).filter(|_| core.len() > 2);
        let inside = if same.is_none() { self.near_inside(wanted) } else { Vec::new() };
        let same = same.into_iter().flatten().map(|name| (0, *name));
        let letters = letters(wanted);
        // Most names differ in more letters than allowed, which is found faster than the edits.
        let lengths = wanted.len().saturating_sub(allowed)..=wanted.len() + allowed;
        let similar = lengths.filter_map(|length| self.by_length.get(&length)).flatten();
        let similar = similar.filter(|(others, _)| letters_that_differ(&letters, others) <= 2 * allowed);
        let similar = similar.filter_map(|(_, name)| Some((edits(wanted, name, allowed)?, *name)));
        let found = same.chain(similar).chain(inside).filter(|(_, name)| *name != wanted);
        let mut found: Vec<(usize, &str)> = found.collect();
        found.sort_unstable_by_key(|(cost, name)| (*name, *cost));
        found.dedup_by_key(|(_, name)| *name);
        found.sort_unstable();
        found.into_iter().take(3).map(|(_, name)| name).collect()
    }
}

impl<'a> Names<'a> {
    /// Names whose core is near to that of a generated capability, which is short beside what stands around it; each costs
    /// one more than names of the same form.
    fn near_inside(&self, wanted: &str) -> Vec<(usize, &'a str)> {
        let inner = core(wanted);
        if !wanted.contains('(') || inner.chars().count() < 4 {
            return Vec::new();
        }
        let allowed = (inner.chars().count() / 4).clamp(1, 3);
        let near = self.by_core.iter().filter_map(|(core, names)| Some((edits(inner, core, allowed)? + 1, names)));
        near.flat_map(|(cost, names)| names.iter().map(move |name| (cost, *name))).collect()
    }
}

/// At most three of `names` that are nearest to `wanted`, the nearest first; none when nothing is near.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    Names::new(names).nearest(wanted)
}

fn letters(text: &str) -> Letters {
    let mut counts = [0; 32];
    text.bytes().for_each(|letter| {
        let count: &mut u8 = &mut counts[usize::from(letter % 32)];
        *count = count.saturating_add(1);
    });
    counts
}

/// How many letters stand in one of the texts and not in the other, wherever they stand.
fn letters_that_differ(a: &Letters, b: &Letters) -> usize {
    a.iter().zip(b).map(|(a, b)| usize::from(a.abs_diff(*b))).sum()
}

/// The word inside a generated capability, without what packagers put around a library's name.
fn core(name: &str) -> &str {
    let inner = name.split_once('(').map_or(name, |(_, rest)| rest.split(')').next().unwrap_or(rest));
    let inner = inner.strip_suffix("-devel").or_else(|| inner.strip_suffix("-libs")).unwrap_or(inner);
    inner.strip_prefix("lib").or_else(|| inner.strip_prefix("python3-")).unwrap_or(inner)
}

/// The number of letters to insert, delete, replace or swap with their neighbor, or None above `allowed`.
fn edits(a: &str, b: &str, allowed: usize) -> Option<usize> {
    if a.chars().count().abs_diff(b.chars().count()) > allowed {
        return None;
    }
    let distance = strsim::osa_distance(&a.to_lowercase(), &b.to_lowercase());
    (distance <= allowed).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("zlbi", ["zlib", "xz", "kmod", "glib"]), ["zlib"]);
        assert_eq!(nearest("pkgconfig(nghttp3)", ["libnghttp3-devel", "nghttp2"]), ["libnghttp3-devel"]);
        assert_eq!(nearest("pkgconfig(zlbi)", ["zlib-devel", "kmod-devel", "xz"]), ["zlib-devel"]);
        assert_eq!(nearest("pkgconfig(zlbi)", ["zlib-devel", "pkgconfig(zlib)"]), ["pkgconfig(zlib)", "zlib-devel"]);
        assert_eq!(nearest("openssl", ["bash", "gcc"]), [""; 0]);
        assert_eq!(nearest("HOSTNMAE", ["Hostname", "Name"]), ["Hostname"], "whatever the case");
        assert_eq!(nearest("Zlib", ["zlib"]), ["zlib"]);
        assert_eq!(edits("kmod", "kdom", 3), Some(2));
        assert_eq!(edits("kmod", "kdom", 1), None);
        assert_eq!(edits("abc", "acb", 3), Some(1), "two letters swapped");
    }
}
