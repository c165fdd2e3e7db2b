//! What can still happen, if each thing needs some others first.
//!
//! A gate opens when the weights of the open gates among those that it waits for reach what it needs. So a gate with a need of 1 opens
//! with any of them, one with a need of their number with all, and one of a semaphore with enough permits: the AND-OR and the
//! k-out-of-n model of deadlocks (E. Knapp, "Deadlock Detection in Distributed Databases", ACM Computing Surveys 19, 1987) in one.
//! What never opens is found by reduction (R. C. Holt, "Some Deadlock Properties of Computer Systems", ACM Computing Surveys 4,
//! 1972): whatever can open is opened, in any order, until nothing more can; the rest is stuck.
//!
//! Both steps look at each wait once, and neither recurses.

/// Gates, by their number in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Gates {
    gates: Vec<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    need: usize,
    /// Which gates it waits for, and what each is worth.
    waits_for: Vec<(usize, usize)>,
}

impl Gates {
    /// Closed gates that nothing has been said of, and that are open.
    pub(super) fn new(count: usize) -> Gates {
        let mut gates = Vec::new();
        gates.resize_with(count, Gate::default);
        Gates { gates }
    }

    /// One more; its number.
    pub(super) fn add(&mut self) -> usize {
        self.gates.push(Gate::default());
        self.gates.len() - 1
    }

    /// What `gate` needs of those it waits for; 0: it is open.
    pub(super) fn set_need(&mut self, gate: usize, need: usize) {
        self.gates[gate].need = need;
    }

    /// `gate` waits for `other`, which is worth so much.
    pub(super) fn wait(&mut self, gate: usize, other: usize, worth: usize) {
        self.gates[gate].waits_for.push((other, worth));
    }

    /// Needs each of those that it waits for.
    pub(super) fn need_all(&mut self, gate: usize) {
        let gate = &mut self.gates[gate];
        gate.need = gate.waits_for.iter().map(|(_, worth)| worth).sum();
    }

    /// Which of them open at last.
    pub(super) fn open(&self) -> Vec<bool> {
        let mut waited_by: Vec<Vec<(usize, usize)>> = vec![Vec::new(); self.gates.len()];
        for (number, gate) in self.gates.iter().enumerate() {
            for (other, worth) in &gate.waits_for {
                waited_by[*other].push((number, *worth));
            }
        }
        let mut needs: Vec<usize> = self.gates.iter().map(|gate| gate.need).collect();
        let mut open: Vec<bool> = needs.iter().map(|need| *need == 0).collect();
        let mut fresh: Vec<usize> = (0..open.len()).filter(|gate| open[*gate]).collect();
        while let Some(gate) = fresh.pop() {
            for (waiting, worth) in &waited_by[gate] {
                needs[*waiting] = needs[*waiting].saturating_sub(*worth);
                if needs[*waiting] == 0 && !open[*waiting] {
                    open[*waiting] = true;
                    fresh.push(*waiting);
                }
            }
        }
        open
    }

    /// Rings of gates that do not open, each of which waits for the next one. From each gate that does not open, the first of its
    /// waits that does not either, and so on, ends in one of these rings.
    pub(super) fn rings(&self, open: &[bool]) -> Vec<Vec<usize>> {
        const UNSEEN: usize = usize::MAX;
        let next = |gate: usize| {
            let mut others = self.gates[gate].waits_for.iter().map(|(other, _)| *other);
            others.find(|other| !open[*other])
        };
        // By which walk a gate was come to.
        let mut seen = vec![UNSEEN; open.len()];
        let mut rings = Vec::new();
        for start in (0..open.len()).filter(|gate| !open[*gate]) {
            let mut at = start;
            while seen[at] == UNSEEN {
                seen[at] = start;
                match next(at) {
                    Some(other) => at = other,
                    None => break,
                }
            }
            // Else it has come to an end, or to an earlier walk.
            if seen[at] != start || next(at).is_none() {
                continue;
            }
            let mut ring = vec![at];
            let mut around = next(at);
            while let Some(other) = around.filter(|other| *other != at) {
                ring.push(other);
                around = next(other);
            }
            rings.push(ring);
        }
        rings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By the definition: what could open is opened until a round changes nothing.
    fn naive(gates: &Gates) -> Vec<bool> {
        let mut open = vec![false; gates.gates.len()];
        loop {
            let mut changed = false;
            for (number, gate) in gates.gates.iter().enumerate() {
                let have: usize = gate
                    .waits_for
                    .iter()
                    .filter(|(other, _)| open[*other])
                    .map(|(_, worth)| worth)
                    .sum();
                if !open[number] && have >= gate.need {
                    open[number] = true;
                    changed = true;
                }
            }
            if !changed {
                return open;
            }
        }
    }

    fn some_gates() -> impl Strategy<Value = Gates> {
        (1_usize..12).prop_flat_map(|count| {
            let waits = prop::collection::vec((0..count, 1_usize..4), 0..4);
            let gate = (waits, 0_usize..5).prop_map(|(waits_for, need)| Gate {
                // Mostly one that its waits can fill.
                need: need.min(waits_for.iter().map(|(_, worth)| worth).sum()),
                waits_for,
            });
            prop::collection::vec(gate, count).prop_map(|gates| Gates { gates })
        })
    }

    proptest! {
        #[test]
        fn what_opens_is_the_least_that_the_definition_opens(gates in some_gates()) {
            prop_assert_eq!(gates.open(), naive(&gates));
        }

        #[test]
        fn whatever_does_not_open_leads_to_a_ring_of_such(gates in some_gates()) {
            let open = gates.open();
            let rings = gates.rings(&open);
            let mut in_rings = vec![false; open.len()];
            for ring in &rings {
                for (place, gate) in ring.iter().enumerate() {
                    prop_assert!(!open[*gate]);
                    prop_assert!(!in_rings[*gate], "no gate is in two rings, or twice in one");
                    in_rings[*gate] = true;
                    let next = ring[(place + 1) % ring.len()];
                    prop_assert!(gates.gates[*gate].waits_for.iter().any(|(other, _)| *other == next));
                }
            }
            for start in (0..open.len()).filter(|gate| !open[*gate]) {
                let mut at = start;
                for _ in 0..open.len() {
                    let others = gates.gates[at].waits_for.iter().map(|(other, _)| *other);
                    let stuck = others.clone().find(|other| !open[*other]);
                    at = stuck.unwrap_or(at);
                }
                prop_assert!(in_rings[at], "{} of {:?}", start, &gates);
            }
        }
    }

    #[test]
    fn a_ring_of_a_hundred_thousand_is_found_without_a_deep_stack() {
        let count = 100_000;
        let mut gates = Gates::new(count);
        for gate in 0..count {
            gates.wait(gate, (gate + 1) % count, 1);
            gates.set_need(gate, 1);
        }
        let open = gates.open();
        assert!(!open.contains(&true));
        assert_eq!(gates.rings(&open)[0].len(), count);
        gates.set_need(7, 0);
        assert!(!gates.open().contains(&false));
    }
}
