//! The text of an event: no line for what only a live view shows, several for a failure. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::output::status_line;
use crate::event::{BuildResult, CheckResult, Event};

/// How many of those that are waited for are named.
const NAMED: usize = 4;

/// Counts finished packages for the `[12/85]` before a line.
#[derive(Debug, Default)]
pub(super) struct Counter {
    done: usize,
    total: usize,
    /// Tenths of the specs that were told as read.
    tenths: usize,
}

/// The lines of `event`, printable. Only what is told in whole sentences has line feeds that count.
pub(super) fn of(event: &Event, counter: &mut Counter) -> Vec<String> {
    let lines = written(event, counter);
    if let Event::Note { .. } | Event::Warning { .. } = event {
        return lines.iter().flat_map(|text| text.split('\n')).map(status_line).collect();
    }
    lines.iter().map(|line| status_line(line)).collect()
}

fn written(event: &Event, counter: &mut Counter) -> Vec<String> {
    match event {
        Event::Queue { .. } => Vec::new(),
        Event::Engine { description } => vec![format!("engine: {description}")],
        Event::StageStarted { stage } => vec![format!("{stage}: started")],
        Event::StageFinished { stage, elapsed, outcome } => {
            vec![format!("{stage}: {outcome} ({})", duration(*elapsed))]
        }
        Event::SpecsRead { done, all } => {
            let tenths = done * 10 / all.max(&1);
            let goes_on = tenths > std::mem::replace(&mut counter.tenths, tenths) && done < all;
            if goes_on { vec![format!("read {done} of {all} specs")] } else { Vec::new() }
        }
        Event::SourceFetched { file, from, bytes } => vec![format!("fetched {file} ({}) from {from}", size(*bytes))],
        Event::PackageFetched { package, from, bytes } => {
            vec![format!("fetched {package} ({}) from {from}", size(*bytes))]
        }
        Event::Planned { to_build, up_to_date } => {
            *counter = Counter { total: *to_build, ..Counter::default() };
            vec![format!("packages: {to_build} to look at, {up_to_date} up to date")]
        }
        Event::BuildStarted { package, reason } => vec![format!("{} building {package}: {reason}", counter.place())],
        Event::BuildHeld { package, why, .. } => {
            vec![format!("{} held back {package}: {why}", counter.place())]
        }
        Event::BuildPostponed { package, needs, joined } => {
            counter.total += joined;
            let needs = needs.iter().map(|spec| format!("`{spec}`")).collect::<Vec<_>>().join(", ");
            vec![format!("{} postponed {package}: it turned out to need {needs}", counter.place())]
        }
        Event::BuildRetried { package, attempt, most, phase, status } => {
            let before = attempt - 1;
            let begins = format!("{} building {package} again, attempt {attempt} of {most}", counter.place());
            vec![format!("{begins}: attempt {before} failed in {phase}: {status}")]
        }
        Event::BuildFinished { package, result, check, elapsed, attempts } => {
            counter.done += 1;
            finished((&counter.place(), package), result, *check, (*elapsed, *attempts))
        }
        Event::ChecksStarted { checks } => {
            counter.total += checks;
            vec![format!("checks that run apart: {checks} to look at")]
        }
        Event::ChecksFinished { packages } => vec![checks(packages)],
        Event::BuildBlocked { package, by } => {
            counter.done += 1;
            vec![format!("{} blocked {package}: waits for {}", counter.place(), by.join(", "))]
        }
        Event::ImageStarted { image } => vec![format!("image {image}: started")],
        Event::ImageFinished { image, path, bytes, up_to_date, elapsed } => {
            let state = if *up_to_date { "up to date".to_owned() } else { duration(*elapsed) };
            vec![format!("image {image}: {} ({}, {state})", path.display(), size(*bytes))]
        }
        Event::Interrupted { waits_for } => vec![interrupted(waits_for)],
        Event::Note { text } => vec![text.clone()],
        Event::Warning { text } => vec![format!("warning: {text}")],
    }
}

impl Counter {
    fn place(&self) -> String {
        format!("[{}/{}]", self.done, self.total)
    }
}

fn finished(
    (place, package): (&str, &str),
    result: &BuildResult,
    check: CheckResult,
    (elapsed, attempts): (Duration, u32),
) -> Vec<String> {
    let attempts = if attempts > 1 { format!(", {attempts} attempts") } else { String::new() };
    let elapsed = duration(elapsed);
    match result {
        BuildResult::Built { rpms } => {
            let check = if check.was_asked() { format!(", %check: {check}") } else { String::new() };
            vec![format!("{place} built {package} ({elapsed}, {} RPMs{check}{attempts})", rpms.len())]
        }
        BuildResult::Checked => vec![format!("{place} %check of {package}: {check} ({elapsed}{attempts})")],
        BuildResult::Failed { phase, status, excerpt, log } => {
            let mut lines = vec![format!("{place} FAILED {package} in {phase}: {status} ({elapsed}{attempts})")];
            lines.extend(excerpt.iter().map(|line| format!("  | {line}")));
            lines.push(format!("  log: {}", log.display()));
            lines
        }
    }
}

/// `checks: 2 passed, 1 FAILED (zlib-1.3-1), 3 skipped: up to date`.
fn checks(packages: &BTreeMap<String, CheckResult>) -> String {
    let mut by_result: BTreeMap<CheckResult, Vec<&str>> = BTreeMap::new();
    for (package, check) in packages {
        by_result.entry(*check).or_default().push(package);
    }
    let part = |(check, packages): (&CheckResult, &Vec<&str>)| match check {
        CheckResult::Failed => format!("{} FAILED ({})", packages.len(), packages.join(", ")),
        check => format!("{} {check}", packages.len()),
    };
    format!("checks: {}", by_result.iter().map(part).collect::<Vec<_>>().join(", "))
}

/// `interrupted: waiting until kmod-30-1 is stopped; …`.
fn interrupted(waits_for: &[String]) -> String {
    let what = match waits_for {
        [] => "what runs has ended".to_owned(),
        [one] => format!("{one} is stopped"),
        many if many.len() <= NAMED => format!("{} are stopped", many.join(", ")),
        many => format!("{} and {} more are stopped", many[..NAMED].join(", "), many.len() - NAMED),
    };
    format!("interrupted: waiting until {what}; a second Ctrl-C ends at once, without waiting")
}

/// `350 ms`, `41 s`, `6 min 12 s`.
pub(super) fn duration(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match seconds {
        0 => format!("{} ms", elapsed.as_millis()),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// `812 B`, `64 KiB`, `1.2 MiB`, `3.4 GiB`.
fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let in_units = |unit: u64| bytes as f64 / unit as f64;
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.0} KiB", in_units(1 << 10)),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", in_units(1 << 20)),
        _ => format!("{:.1} GiB", in_units(1 << 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SkippedCheck;

    #[test]
    fn reading_is_told_by_tenths_and_not_at_its_end() {
        let mut counter = Counter::default();
        let mut told = |done| of(&Event::SpecsRead { done, all: 50 }, &mut counter).concat();
        let lines = [0, 4, 5, 9, 30, 50].map(&mut told);
        assert_eq!(lines, ["", "", "read 5 of 50 specs", "", "read 30 of 50 specs", ""]);
        assert_eq!([told(0), told(6)], ["", "read 6 of 50 specs"], "the next reading");
    }

    #[test]
    fn a_failure_is_told_in_full() {
        let mut counter = Counter { done: 3, total: 9, ..Counter::default() };
        let event = Event::BuildFinished {
            package: "zlib-1.3-1".into(),
            result: BuildResult::Failed {
                phase: "%build".into(),
                status: "exit status 1".into(),
                excerpt: vec!["x.c:1: error: oops".into()],
                log: "build/logs/zlib.log".into(),
            },
            check: CheckResult::Skipped(SkippedCheck::NotAsked),
            elapsed: Duration::from_secs(75),
            attempts: 3,
        };
        assert_eq!(
            of(&event, &mut counter),
            [
                "[4/9] FAILED zlib-1.3-1 in %build: exit status 1 (1 min 15 s, 3 attempts)",
                "  | x.c:1: error: oops",
                "  log: build/logs/zlib.log"
            ]
        );
    }

    #[test]
    fn what_others_wrote_gives_no_orders_and_no_lines() {
        let failed = Event::BuildFinished {
            package: "a-1-1\n[9/9] built b-1-1".into(),
            result: BuildResult::Failed {
                phase: "%build".into(),
                status: "exit status 1".into(),
                excerpt: vec!["\u{1b}[1A\u{1b}[2K[1/1] built a-1-1".into(), "::error::x".into(), "##[error]x".into()],
                log: "logs/\u{1b}]0;x\u{7}a.log".into(),
            },
            check: CheckResult::Skipped(SkippedCheck::NotAsked),
            elapsed: Duration::from_secs(1),
            attempts: 1,
        };
        assert_eq!(
            of(&failed, &mut Counter::default()),
            [
                "[1/0] FAILED a-1-1\\n[9/9] built b-1-1 in %build: exit status 1 (1 s)",
                "  | [1/1] built a-1-1",
                "  | ::error::x",
                "  | ##\\[error]x",
                "  log: logs/a.log"
            ]
        );
        let warning = Event::Warning { text: "a.spec: line 1\n::error::x\r\n\u{202e}y".into() };
        assert_eq!(of(&warning, &mut Counter::default()), ["warning: a.spec: line 1", "\\::error::x", "\\u{202e}y"]);
    }

    #[test]
    fn an_interruption_says_what_it_waits_for() {
        let told = |names: &[&str]| {
            let waits_for = names.iter().map(|name| (*name).to_owned()).collect();
            of(&Event::Interrupted { waits_for }, &mut Counter::default()).remove(0)
        };
        let end = "; a second Ctrl-C ends at once, without waiting";
        assert_eq!(told(&[]), format!("interrupted: waiting until what runs has ended{end}"));
        assert_eq!(told(&["toolchain a"]), format!("interrupted: waiting until toolchain a is stopped{end}"));
        assert_eq!(told(&["a", "b"]), format!("interrupted: waiting until a, b are stopped{end}"));
        let many = told(&["a", "b", "c", "d", "e", "f"]);
        assert_eq!(many, format!("interrupted: waiting until a, b, c, d and 2 more are stopped{end}"));
    }

    #[test]
    fn a_retry_and_a_build_that_waits_are_told() {
        let mut counter = Counter { done: 3, total: 9, ..Counter::default() };
        let (package, status) = ("zlib-1.3-1".to_owned(), "exit status 1".to_owned());
        let retried =
            Event::BuildRetried { package: package.clone(), attempt: 2, most: 3, phase: "%build".into(), status };
        let expected = "[3/9] building zlib-1.3-1 again, attempt 2 of 3: attempt 1 failed in %build: exit status 1";
        assert_eq!(of(&retried, &mut counter), [expected]);
        let why = "100 MiB of memory are free, and 200 MiB are kept free".to_owned();
        let held = Event::BuildHeld { package, short_of: "memory".into(), why };
        let expected = "[3/9] held back zlib-1.3-1: 100 MiB of memory are free, and 200 MiB are kept free";
        assert_eq!(of(&held, &mut counter), [expected]);
        insta::assert_snapshot!(serde_json::to_string(&held).unwrap(), @r#"{"event":"build-held","package":"zlib-1.3-1","short-of":"memory","why":"100 MiB of memory are free, and 200 MiB are kept free"}"#);
    }

    #[test]
    fn checks_are_told_apart() {
        let check = |name: &str, check| (name.to_owned(), check);
        let event = Event::ChecksFinished {
            packages: BTreeMap::from([
                check("a-1-1", CheckResult::Failed),
                check("b-1-1", CheckResult::Passed),
                check("c-1-1", CheckResult::NoCheck),
                check("d-1-1", CheckResult::Skipped(SkippedCheck::UpToDate)),
                check("e-1-1", CheckResult::Skipped(SkippedCheck::Ignored)),
                check("f-1-1", CheckResult::Passed),
            ]),
        };
        assert_eq!(
            of(&event, &mut Counter::default()),
            ["checks: 2 passed, 1 FAILED (a-1-1), 1 no check, 1 skipped: ignored, 1 skipped: up to date"]
        );
        insta::assert_snapshot!(serde_json::to_string(&event).unwrap(), @r#"{"event":"checks-finished","packages":{"a-1-1":{"result":"failed"},"b-1-1":{"result":"passed"},"c-1-1":{"result":"no-check"},"d-1-1":{"result":"skipped","why":"up-to-date"},"e-1-1":{"result":"skipped","why":"ignored"},"f-1-1":{"result":"passed"}}}"#);
    }

    #[test]
    fn sizes_and_durations_are_short() {
        assert_eq!([size(812), size(65536), size(1_258_291)], ["812 B", "64 KiB", "1.2 MiB"]);
        assert_eq!(duration(Duration::from_millis(350)), "350 ms");
        assert_eq!(duration(Duration::from_secs(7265)), "2 h 1 min");
    }
}
