//! Who is first.

/// The order of `n` contestants in a round: rotated from round to round, and backwards in every other one.
///
/// So, over `2 * n` rounds, each has every place equally often, and comes before each other one as often as after it.
pub fn order(round: usize, n: usize) -> impl Iterator<Item = usize> {
    (0..n).map(move |place| {
        let place = if round % 2 == 1 { n - 1 - place } else { place };
        (place + round / 2) % n
    })
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn nobody_is_favoured() {
        for n in 1..6 {
            let rounds: Vec<Vec<_>> = (0..2 * n).map(|round| order(round, n).collect()).collect();
            for one in 0..n {
                for place in 0..n {
                    let times = rounds.iter().filter(|round| round[place] == one).count();
                    assert_eq!(times, 2, "{rounds:?}");
                }
                for other in (0..n).filter(|&other| other != one) {
                    let at = |round: &[usize], who| round.iter().position(|&next| next == who);
                    let first = rounds
                        .iter()
                        .filter(|round| at(round, one) < at(round, other));
                    assert_eq!(first.count(), n, "{rounds:?}");
                }
            }
        }
    }
}
