//! The table at the end.

use std::fmt::Write as _;
use std::time::Duration;

use crate::model::Contributor;

/// The outcome of one variant.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) variant: &'static str,
    pub(crate) elapsed: Duration,
    pub(crate) peak: usize,
    pub(crate) contributors: Vec<Contributor>,
}

/// All rows, and a line that says whether they agree. The error is such a line too.
pub(crate) fn render(rows: &[Row]) -> (String, Result<String, String>) {
    let mut table = format!(
        "{:<15} {:>12} {:>19} {:>14}\n",
        "variant", "wall time", "in flight at most", "contributors"
    );
    for row in rows {
        let time = format!("{} ms", row.elapsed.as_millis());
        let (peak, found) = (row.peak, row.contributors.len());
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "{:<15} {time:>12} {peak:>19} {found:>14}",
            row.variant
        );
    }
    (table, verdict(rows))
}

fn verdict(rows: &[Row]) -> Result<String, String> {
    let Some((first, others)) = rows.split_first() else {
        return Ok(String::new());
    };
    if let Some(other) = others
        .iter()
        .find(|row| row.contributors != first.contributors)
    {
        return Err(format!(
            "{} found other contributors than {}",
            other.variant, first.variant
        ));
    }
    let top: Vec<String> = first
        .contributors
        .iter()
        .take(3)
        .map(|c| format!("{} ({})", c.login, c.contributions))
        .collect();
    let most = match top.is_empty() {
        true => String::new(),
        false => format!(" Most contributions: {}.", top.join(", ")),
    };
    Ok(match others.is_empty() {
        true => most.trim_start().to_owned(),
        false => format!("All variants found the same contributors.{most}"),
    })
}
