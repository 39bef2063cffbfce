//! `build-state.json` and `build-state.csv`: how each package of the last run ended, for programs and spreadsheets.
//!
//! Both are written at the end of a run, however it ends, whole or not at all, and removed when the next one begins: while a
//! run goes on, and after one that was killed, there is none. Nothing reads them back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::{BuildContext, BuildError, Summary, package_name};
use crate::address;
use crate::cache::{BuiltRpm, StoredResult, file};
use crate::event::{CheckResult, SkippedCheck};
use crate::layout::Layout;
use crate::spec::SourcePackage;

/// The version of the files; counts up when something in them changes its meaning or goes away.
const VERSION: u32 = 1;
const COLUMNS: [&str; 11] =
    ["spec", "package", "result", "blocked-by", "phase", "status", "check", "seconds", "log", "rpms", "attempts"];

/// `build-state.json`.
#[derive(Debug, Serialize)]
struct Record {
    version: u32,
    /// Why the run broke down; None when it came to its end, or was stopped.
    error: Option<String>,
    /// Sorted by spec; none when the run broke down before it was known what is to be built.
    packages: Vec<Row>,
}

/// How one package ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    /// Name of the spec file without `.spec`.
    spec: String,
    /// Name, version and release.
    package: String,
    result: Ended,
    /// The failed spec that it waits for.
    blocked_by: Option<String>,
    /// What failed, such as `%build`.
    phase: Option<String>,
    /// How that ended, or why it was left out, in words.
    status: Option<String>,
    check: CheckResult,
    /// Wall time in this run; None when nothing ran.
    seconds: Option<f64>,
    /// How often the build was begun in this run; None when it was not.
    attempts: Option<u32>,
    /// The log of the build that made the RPMs, or that failed.
    log: Option<PathBuf>,
    /// Paths below `out/RPMS`, the source package included.
    rpms: Vec<String>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Ended {
    Built,
    UpToDate,
    Failed,
    Blocked,
    Unfinished,
    LeftOut,
}

/// What a run knows of its packages at its end.
pub(super) struct Facts<'a> {
    pub(super) packages: &'a BTreeMap<&'a str, &'a SourcePackage>,
    pub(super) summary: &'a Summary,
    /// Of every package that is published.
    pub(super) results: &'a BTreeMap<String, Arc<StoredResult>>,
    /// Of every package that was taken up and has ended.
    pub(super) begun: &'a BTreeMap<String, Begun>,
    /// Why it broke down.
    pub(super) fault: Option<String>,
}

/// What a run knows of a package that it took up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    /// Wall time.
    pub(super) elapsed: Duration,
    /// How often the build was begun.
    pub(super) attempts: u32,
}

/// Removes both files.
pub(super) fn remove(layout: &Layout) -> Result<(), BuildError> {
    let removed = file::remove(&layout.build_state_json()).and_then(|()| file::remove(&layout.build_state_csv()));
    removed.map_err(BuildError::Records)
}

/// Writes both files.
pub(super) fn write(context: &BuildContext<'_>, facts: &Facts<'_>) -> Result<(), BuildError> {
    let all = facts.summary.checks.iter();
    let mut packages: Vec<Row> =
        all.filter_map(|(spec, check)| package(context.layout, facts, (spec, *check))).collect();
    let left = |source: &SourcePackage| Some(left_out(source, facts.summary.left_out.get(&source.spec)?));
    packages.extend(context.specs.iter().filter_map(left));
    packages.sort_by(|a, b| a.spec.cmp(&b.spec));
    write_files(context.layout, &Record { version: VERSION, error: facts.fault.clone(), packages })
}

/// Writes both files for a run that broke down, for the reason `error`, before it was known what is to be built.
pub fn write_broken(layout: &Layout, error: String) -> Result<(), BuildError> {
    write_files(layout, &Record { version: VERSION, error: Some(error), packages: Vec::new() })
}

fn write_files(layout: &Layout, record: &Record) -> Result<(), BuildError> {
    let written = file::write_json(&layout.build_state_json(), record);
    let csv = || file::write(&layout.build_state_csv(), csv(&record.packages).as_bytes());
    written.and_then(|()| csv()).map_err(BuildError::Records)
}

fn package(layout: &Layout, facts: &Facts<'_>, (spec, check): (&str, CheckResult)) -> Option<Row> {
    let name = package_name(facts.packages.get(spec)?);
    let (summary, result) = (facts.summary, facts.results.get(spec));
    let (failure, begun) = (summary.failure(spec), facts.begun.get(spec));
    let ended = match result {
        Some(_) if summary.built.contains(spec) => Ended::Built,
        Some(_) => Ended::UpToDate,
        None if failure.is_some() => Ended::Failed,
        None if summary.blocker(spec).is_some() => Ended::Blocked,
        None => Ended::Unfinished,
    };
    let log = match ended {
        Ended::Built => Some(layout.package_log(spec, &name)),
        Ended::UpToDate => result.map(|result| result.log_path()),
        _ => failure.map(|failure| failure.log.clone()),
    };
    let rpms = result.map(|result| result.rpms.as_slice()).unwrap_or_default().iter();
    Some(Row {
        spec: spec.to_owned(),
        package: name,
        result: ended,
        blocked_by: summary.blocker(spec).cloned(),
        phase: failure.map(|failure| failure.phase.clone()),
        status: failure.map(|failure| address::in_text(&failure.status).into_owned()),
        check,
        seconds: begun.map(|begun| (begun.elapsed.as_secs_f64() * 1000.0).round() / 1000.0),
        attempts: begun.map(|begun| begun.attempts).filter(|attempts| *attempts > 0),
        log: log.filter(|log| log.is_file()),
        rpms: rpms.map(BuiltRpm::location).collect(),
    })
}

/// A package that is not in the graph, and why.
fn left_out(source: &SourcePackage, why: &str) -> Row {
    Row {
        spec: source.spec.clone(),
        package: package_name(source),
        result: Ended::LeftOut,
        blocked_by: None,
        phase: None,
        status: Some(address::in_text(why).into_owned()),
        check: CheckResult::Skipped(SkippedCheck::NotReached),
        seconds: None,
        attempts: None,
        log: None,
        rpms: Vec::new(),
    }
}

/// The packages as RFC 4180 wants them: a header, lines that end with CR LF; RPMs are separated by a space.
fn csv(packages: &[Row]) -> String {
    let mut text = COLUMNS.join(",") + "\r\n";
    for one in packages {
        let ended = match one.result {
            Ended::Built => "built",
            Ended::UpToDate => "up to date",
            Ended::Failed => "failed",
            Ended::Blocked => "blocked",
            Ended::Unfinished => "unfinished",
            Ended::LeftOut => "left out",
        };
        let or_nothing = |text: &Option<String>| text.clone().unwrap_or_default();
        let fields: [String; COLUMNS.len()] = [
            one.spec.clone(),
            one.package.clone(),
            ended.to_owned(),
            or_nothing(&one.blocked_by),
            or_nothing(&one.phase),
            or_nothing(&one.status),
            one.check.to_string(),
            one.seconds.map(|seconds| seconds.to_string()).unwrap_or_default(),
            one.log.as_ref().map(|log| log.display().to_string()).unwrap_or_default(),
            one.rpms.join(" "),
            one.attempts.map(|attempts| attempts.to_string()).unwrap_or_default(),
        ];
        text.push_str(&fields.map(|text| field(&text)).join(","));
        text.push_str("\r\n");
    }
    text
}

/// A field, in double quotes where it needs them.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_commas_and_quotes_are_quoted() {
        let package = |spec: &str, result, check, status: Option<&str>| Row {
            spec: spec.into(),
            package: format!("{spec}-1-1"),
            result,
            blocked_by: matches!(result, Ended::Blocked).then(|| "a".to_owned()),
            phase: status.map(|_| "%build".to_owned()),
            status: status.map(str::to_owned),
            check,
            seconds: status.map(|_| 1.5),
            attempts: status.map(|_| 3),
            log: status.map(|_| "/p/build, new/\"x\".log".into()),
            rpms: vec!["src/x.rpm".into(), "noarch/x.rpm".into()],
        };
        let not_asked = CheckResult::Skipped(SkippedCheck::NotAsked);
        let packages = [
            package("a", Ended::Failed, not_asked, Some("exit status 1")),
            package("b", Ended::Blocked, not_asked, None),
            package("c", Ended::UpToDate, CheckResult::Skipped(SkippedCheck::UpToDate), None),
        ];
        let text = csv(&packages);
        assert_eq!(text.matches("\r\n").count(), 4);
        insta::assert_snapshot!(text.replace('\r', ""), @r#"
        spec,package,result,blocked-by,phase,status,check,seconds,log,rpms,attempts
        a,a-1-1,failed,,%build,exit status 1,not asked for,1.5,"/p/build, new/""x"".log",src/x.rpm noarch/x.rpm,3
        b,b-1-1,blocked,a,,,not asked for,,,src/x.rpm noarch/x.rpm,
        c,c-1-1,up to date,,,,skipped: up to date,,,src/x.rpm noarch/x.rpm,
        "#);
        let json = serde_json::to_value(&packages[2]).unwrap();
        assert_eq!(json["result"], "up-to-date");
        assert_eq!(json["check"], serde_json::json!({ "result": "skipped", "why": "up-to-date" }));
    }
}
