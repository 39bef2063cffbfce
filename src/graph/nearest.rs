//! Names that a person may have meant. Pure.

/// At most three of `names` that are nearest to `wanted`, the nearest first; none when nothing is near.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let letters = wanted.chars().count();
    // Short words are near to too many.
    let allowed = if letters < 3 { 0 } else { (letters / 4).clamp(1, 3) };
    let mut found: Vec<(usize, &str)> = names
        .into_iter()
        .filter(|name| *name != wanted)
        .filter_map(|name| Some((distance(wanted, name, allowed)?, name)))
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().take(3).map(|(_, name)| name).collect()
}

/// How many of `wanted`'s core letters make another name: equal cores count as 0, a swap or one letter as 1.
fn distance(wanted: &str, name: &str, allowed: usize) -> Option<usize> {
    let (core_wanted, core_name) = (core(wanted), core(name));
    if core_wanted == core_name && core_wanted.len() > 2 {
        return Some(0);
    }
    // Most names differ in more letters than that, which is found faster than the edits.
    if wanted.len().abs_diff(name.len()) > allowed || letters_that_differ(wanted, name) > 2 * allowed {
        return None;
    }
    edits(wanted, name, allowed)
}

/// How many letters stand in one of the texts and not in the other, wherever they stand.
fn letters_that_differ(a: &str, b: &str) -> usize {
    let mut counts = [0_isize; 64];
    a.bytes().for_each(|letter| counts[usize::from(letter % 64)] += 1);
    b.bytes().for_each(|letter| counts[usize::from(letter % 64)] -= 1);
    counts.iter().map(|count| count.unsigned_abs()).sum()
}

/// The word inside a generated capability, without what packagers put around a library's name.
fn core(name: &str) -> &str {
    let inner = name.split_once('(').map_or(name, |(_, rest)| rest.split(')').next().unwrap_or(rest));
    let inner = inner.strip_suffix("-devel").or_else(|| inner.strip_suffix("-libs")).unwrap_or(inner);
    inner.strip_prefix("lib").or_else(|| inner.strip_prefix("python3-")).unwrap_or(inner)
}

/// The number of letters to insert, delete, replace or swap with their neighbor, or None above `allowed`.
pub(super) fn edits(a: &str, b: &str, allowed: usize) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > allowed {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut cost = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        if row.iter().all(|cost| *cost > allowed) {
            return None;
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|cost| *cost <= allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("zlbi", ["zlib", "xz", "kmod", "glib"]), ["zlib"]);
        assert_eq!(nearest("pkgconfig(nghttp3)", ["libnghttp3-devel", "nghttp2"]), ["libnghttp3-devel"]);
        assert_eq!(nearest("openssl", ["bash", "gcc"]), [""; 0]);
        assert_eq!(edits("kmod", "kdom", 3), Some(2));
        assert_eq!(edits("abc", "acb", 3), Some(1), "two letters swapped");
    }
}
