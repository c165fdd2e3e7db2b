//! The cases of the example `guide`: their lines, and when each is printed.

#[macro_use]
#[path = "../../examples/guide/output.rs"]
mod output;
#[macro_use]
#[path = "../../examples/guide/case.rs"]
mod case;
#[path = "../../examples/guide/cases/mod.rs"]
mod cases;
mod expectation;
mod on_the_real_clock;
mod virtual_run;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::expectation::Expectation;

/// Without the lines of reports and dumps that name a place in the sources.
fn without_locations(lines: Vec<output::Line>) -> Vec<output::Line> {
    let is_location = |line: &output::Line| {
        let text = line.text.trim_start();
        text.starts_with("at ") || text.starts_with("awaited at ")
    };
    let mut lines = lines;
    lines.retain(|line| !is_location(line));
    lines
}

#[test]
fn every_case_is_expected_and_every_expectation_has_a_case() {
    let cases: Vec<_> = cases::all().map(|case| case.id).collect();
    let expected: Vec<_> = expectation::all().into_iter().map(|e| e.id).collect();
    let distinct: BTreeSet<_> = cases.iter().copied().collect();
    assert_eq!(distinct.len(), cases.len(), "a case is listed twice");
    for case in cases::all() {
        assert!(
            !case.about.is_empty() && case.about.len() < 100,
            "{}",
            case.id
        );
    }
    assert_eq!(
        distinct,
        expected.iter().map(String::as_str).collect(),
        "the cases against their expectations"
    );
}

#[test]
fn every_case_holds_in_virtual_time() {
    check(|expectation| {
        let case = cases::all().find(|case| case.id == expectation.id)?;
        if expectation.real_clock {
            return None;
        }
        let run = virtual_run::run(case);
        Some(expectation.differences_in_virtual_time(&run))
    });
}

#[cfg(unix)]
#[test]
fn every_case_holds_on_the_real_clock() {
    let mut runs = on_the_real_clock::run_all(cases::all().map(|case| case.id));
    // On a busy machine a thread may be held up for longer than a case has between two lines: in virtual time none is. So what
    // differs is run again, without others beside it.
    let expectations = expectation::all();
    for _ in 0..3 {
        let is_as_expected = |id: &str| {
            let expectation = expectations.iter().find(|one| one.id == id);
            let differences = expectation.map(|one| one.differences_on_the_real_clock(&runs[id]));
            differences.is_none_or(|differences| differences.is_empty())
        };
        let ids = cases::all().map(|case| case.id);
        let again: Vec<_> = ids.filter(|id| !is_as_expected(id)).collect();
        for id in again {
            runs.insert(id, on_the_real_clock::run(id));
        }
    }
    check(|expectation| {
        let run = runs.get(expectation.id.as_str())?;
        Some(expectation.differences_on_the_real_clock(run))
    });
}

/// Fails with the differences of all cases.
fn check(mut differences: impl FnMut(&Expectation) -> Option<Vec<String>>) {
    let (mut report, mut checked) = (String::new(), 0);
    for expectation in expectation::all() {
        let Some(differences) = differences(&expectation) else {
            continue;
        };
        checked += 1;
        for difference in differences {
            let _ = writeln!(report, "{}: {difference}", expectation.id);
        }
    }
    assert!(report.is_empty(), "\n{report}");
    assert!(checked > 0, "no case was run");
}
