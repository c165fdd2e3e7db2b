//! Fewer forced switches that still fail.
//!
//! Leaves out ever smaller parts of the list as long as the rest fails: A. Zeller, R. Hildebrandt, "Simplifying and Isolating
//! Failure-Inducing Input", IEEE TSE 2002 (ddmin).

/// How many runs it may take.
const RUNS: u32 = 500;

/// The least part of `all` that was found to fail; `all` itself if none is smaller.
pub(crate) fn shrink<T: Clone>(all: &[T], mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut least = all.to_vec();
    let mut runs = 0;
    let mut parts = 1;
    while !least.is_empty() && runs < RUNS {
        let size = least.len().div_ceil(parts);
        let mut smaller = None;
        for start in (0..least.len()).step_by(size) {
            if runs == RUNS {
                break;
            }
            let end = (start + size).min(least.len());
            let rest: Vec<T> = [&least[..start], &least[end..]].concat();
            runs += 1;
            if fails(&rest) {
                smaller = Some(rest);
                break;
            }
        }
        match smaller {
            Some(rest) => {
                least = rest;
                parts = parts.saturating_sub(1).max(1);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(least.len()),
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::shrink;

    #[test]
    fn what_is_needed_is_found_among_what_is_not() {
        let all: Vec<u32> = (0..100).collect();
        let needed = [3, 50, 51, 97];
        let least = shrink(&all, |part| needed.iter().all(|n| part.contains(n)));
        assert_eq!(least, needed);
        assert!(shrink(&all, |_| true).is_empty());
        assert_eq!(shrink(&all, |part| part.len() == 100), all);
        assert!(shrink::<u32>(&[], |_| true).is_empty());
    }
}
