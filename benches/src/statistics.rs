//! Of many values, the few that are printed.

/// The values, the least first.
#[must_use]
pub fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The value that a share `q` of all does not exceed: 0.5 is the median, 1 the most.
///
/// # Panics
///
/// Without values.
#[must_use]
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::{quantile, sorted};

    #[test]
    fn a_quantile_is_the_value_at_its_rank() {
        let values = sorted((1..=100).rev().map(f64::from));
        let quantiles = [0.0, 0.01, 0.25, 0.5, 0.99, 1.0].map(|q| quantile(&values, q));
        assert_eq!(quantiles, [1.0, 1.0, 25.0, 50.0, 99.0, 100.0]);
        assert_eq!(quantile(&sorted([3.0, 1.0, 2.0]), 0.5), 2.0);
        assert_eq!(quantile(&[7.0], 0.99), 7.0);
    }
}
