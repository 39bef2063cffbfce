//! Durations of builds that were measured elsewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::fault::Fault;
use crate::json;
use crate::regular;

/// What of a `build-state.json` counts here.
#[derive(Deserialize)]
struct Record {
    packages: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    spec: String,
    seconds: Option<f64>,
}

/// The wall times in the `build-state.json` files `paths`, which count from `folder`; a later file wins.
pub(super) fn read(folder: &Path, paths: &[PathBuf]) -> Result<BTreeMap<String, Duration>, Fault> {
    let mut durations = BTreeMap::new();
    for path in paths.iter().map(|path| folder.join(path)) {
        let fault = |what: String| {
            Fault::usage(format!("`{}`: {what}", path.display()))
                .with_hint(Some("name the build-state.json of a run, as in build/build-state.json".to_owned()))
        };
        let text = regular::read_given(&path).map_err(|error| fault(error.to_string()))?;
        let record: Record = json::parse(&text).map_err(|wrong| fault(wrong.to_string()))?;
        for Row { spec, seconds } in record.packages {
            let Some(seconds) = seconds else { continue };
            let duration = Duration::try_from_secs_f64(seconds)
                .map_err(|_| fault(format!("`{spec}`: {seconds} is no duration in seconds")))?;
            durations.insert(spec, duration);
        }
    }
    Ok(durations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_files_win_and_what_did_not_run_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "a.json",
            r#"{"version":1,"packages":[{"spec":"x","seconds":2},{"spec":"y","seconds":null,"log":null}]}"#,
        );
        write("b.json", r#"{"packages":[{"spec":"x","seconds":3.5}]}"#);
        write("c.json", r#"{"packages":[{"spec":"x","seconds":-1}]}"#);
        write("d.json", r#"{"packages":{}}"#);
        let of = |names: &[&str]| {
            let paths: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
            read(folder.path(), &paths).map_err(|fault| format!("{fault:?}"))
        };
        assert_eq!(of(&["a.json", "b.json"]).unwrap(), BTreeMap::from([("x".into(), Duration::from_millis(3500))]));
        assert!(of(&["c.json"]).unwrap_err().contains("`x`: -1 is no duration"));
        let told = of(&["d.json"]).unwrap_err();
        assert!(
            told.contains("line 1, column 12: this is an object of keys and values, and a list is expected"),
            "{told}"
        );
        assert!(of(&["none.json"]).unwrap_err().contains("none.json"));
    }
}
