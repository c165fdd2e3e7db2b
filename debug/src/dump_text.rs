//! A dump as a text (P-5).

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::coroutine_info::{CoroutineInfo, CoroutineState};
use crate::deadlock::Deadlock;

pub(crate) fn dump_text(
    infos: &[CoroutineInfo],
    deadlocks: &[Deadlock],
    now: SystemTime,
) -> String {
    let mut text = format!("Coroutines dump {}\n", timestamp(now));
    for info in infos {
        text.push('\n');
        coroutine_text(info, &mut text);
    }
    if !deadlocks.is_empty() {
        text.push('\n');
    }
    for deadlock in deadlocks {
        let _ = writeln!(text, "{deadlock}");
    }
    text
}

/// One coroutine of a dump.
pub(crate) fn coroutine_text(info: &CoroutineInfo, text: &mut String) {
    let _ = write!(
        text,
        "Coroutine {}, state: {}",
        info.description, info.state
    );
    if let Some(thread) = &info.thread {
        let _ = write!(text, " on {thread}");
    }
    if info.last_observed_is_over {
        text.push_str(if info.state == CoroutineState::Running {
            " (from where it waited last, not where it is now)"
        } else {
            " (from where it waited last; it waits for a thread, or for what is not known)"
        });
    }
    text.push('\n');
    for (number, trace) in info.last_observed.iter().enumerate() {
        if number > 0 {
            text.push_str("\tand at the same time\n");
        }
        for line in trace {
            let _ = writeln!(text, "\tat {line}");
        }
    }
    if info.last_observed.is_empty() {
        text.push_str("\t(no suspension is known; it was created)\n");
        let _ = writeln!(text, "\tat {}", info.launched);
    } else if !info.creation_stack.is_empty() {
        text.push_str("\t(it was created)\n");
    }
    for line in &info.creation_stack {
        let _ = writeln!(text, "\tat {line}");
    }
}

/// As `2026-11-21 23:15:03 UTC`.
fn timestamp(now: SystemTime) -> String {
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (mut days, of_day) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    loop {
        let length = 365 + u64::from(is_leap(year));
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let mut month = 1;
    for length in [
        31,
        28 + u64::from(is_leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
    ] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!(
        "{year}-{month:02}-{:02} {hour:02}:{minute:02}:{second:02} UTC",
        days + 1
    )
}

fn is_leap(year: u64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// P-5.
    #[test]
    fn a_dump_of_nothing_is_the_header() {
        assert_eq!(
            dump_text(&[], &[], UNIX_EPOCH),
            "Coroutines dump 1970-01-01 00:00:00 UTC\n"
        );
    }

    /// Expected values by `date -u -d @N`.
    #[test]
    fn the_time_is_that_of_the_calendar() {
        let expected = [
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (978_307_199, "2000-12-31 23:59:59 UTC"),
            (1_709_164_800, "2024-02-29 00:00:00 UTC"),
            (1_795_302_903, "2026-11-21 23:15:03 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ];
        for (seconds, text) in expected {
            assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_clock_before_1970_is_no_reason_to_panic() {
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(timestamp(before), "1970-01-01 00:00:00 UTC");
    }
}
