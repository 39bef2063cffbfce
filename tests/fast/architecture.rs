//! The rules of the source tree: import order, file size, pure modules.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules in the order of `lib.rs`; each names only those above it.
fn modules() -> Vec<String> {
    let lib = fs::read_to_string("src/lib.rs").unwrap();
    lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).map(str::to_owned).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The first part of the path below `src/`, without `.rs`.
fn module_of(path: &Path) -> String {
    let below = path.strip_prefix("src").unwrap();
    below.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

fn named_modules(text: &str) -> impl Iterator<Item = &str> {
    text.split("crate::").skip(1).map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
}

#[test]
fn a_module_names_only_modules_above_it() {
    let order = modules();
    let place = |module: &str| order.iter().position(|known| known == module);
    let mut wrong = Vec::new();
    for path in rust_files(Path::new("src")) {
        let module = module_of(&path);
        let Some(own) = place(&module) else { continue };
        let text = fs::read_to_string(&path).unwrap();
        for named in named_modules(&text) {
            if place(named).is_some_and(|other| other > own) {
                wrong.push(format!("{}: crate::{named} stands below {module}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(order.len() > 15, "lib.rs lists {order:?}");
}

#[test]
fn pure_modules_touch_nothing() {
    let banned = ["std::fs", "std::process", "std::net", "tokio", "bollard", "SystemTime", "Instant::now"];
    for module in ["package", "graph", "plan"] {
        for path in rust_files(&Path::new("src").join(module)) {
            let text = fs::read_to_string(&path).unwrap();
            for word in banned {
                assert!(!text.contains(word), "{} names {word}", path.display());
            }
        }
    }
}

#[test]
fn only_few_modules_know_each_foreign_thing() {
    let known: [(&str, &[&str]); 3] = [
        ("bollard::", &["src/engine"]),
        ("serde_yaml::", &["src/yaml.rs"]),
        ("reqwest::", &["src/source", "src/oci/registry"]),
    ];
    for (word, folders) in known {
        for path in rust_files(Path::new("src")) {
            let text = fs::read_to_string(&path).unwrap();
            let may = folders.iter().any(|folder| path.starts_with(folder));
            assert!(!text.contains(word) || may, "{} names {word}", path.display());
        }
    }
}

#[test]
fn files_stay_readable() {
    for folder in ["src", "tests"] {
        for path in rust_files(Path::new(folder)) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.lines().count() <= 400, "{} has more than 400 lines", path.display());
            assert!(text.starts_with("//!"), "{} does not say what it is", path.display());
        }
    }
}

#[test]
fn what_is_written_passes_through_one_place() {
    // A shell's own bytes, what the sandbox hands on to the program in it, and what developers ask for.
    let own = ["src/report", "src/cli/shell.rs", "src/cli/terminal.rs", "src/engine/embedded", "src/cli/mod.rs"];
    for path in rust_files(Path::new("src")) {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("\n#[cfg(test)]").next().unwrap();
        assert!(!code.contains("clippy::print_"), "{} prints by itself", path.display());
        if !own.iter().any(|own| path.starts_with(own)) {
            for word in ["io::stdout()", "io::stderr()", "print!(", "println!("] {
                assert!(!code.contains(word), "{} names {word}", path.display());
            }
        }
    }
}
