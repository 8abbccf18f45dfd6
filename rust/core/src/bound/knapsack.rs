//! How much traffic pays for a number of replicas: a fractional knapsack with the two rows time and memory.
//!
//! For `r` replicas, `F(r) = max Σ p·x` with `Σ t·x ≤ r`, `Σ m·x ≤ r` (loads in replicas) and `0 ≤ x ≤ 1`. Weighting
//! the rows with λ and 1-λ gives one row, whose greedy fill is an upper bound for every λ and exact for the best one.
//! The density of the item that the fill breaks is a price α for a replica: `F(r') ≤ fill(r) + α·(r' - r)` for every
//! `r'`, which makes the search over `r` safe as well.

/// Items with a positive profit and working memory, reused over calls.
#[derive(Debug, Default)]
pub(crate) struct Knapsack {
    /// Position of the item's route in the route table.
    pub(crate) route: Vec<u32>,
    profit: Vec<f64>,
    time: Vec<f64>,
    memory: Vec<f64>,
    /// The fill of the best replica count, after [`Knapsack::best`].
    pub(crate) fraction: Vec<f64>,
    density: Vec<f64>,
    order: Vec<u32>,
    fill: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
}

/// Which of the two rows can bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BindingRow {
    Time,
    Memory,
    Either,
}

/// An upper bound on `F(r)` and the price of a replica there.
#[derive(Debug, Clone, Copy)]
struct Fill {
    value: f64,
    slope: f64,
    time: f64,
    memory: f64,
}

/// The best number of replicas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BestFill {
    /// Upper bound on `F(r) - c·r` over the whole range of `r`.
    pub(crate) value: f64,
    /// A number of replicas that (all but) attains it.
    pub(crate) replicas: u32,
}

const BISECTIONS: usize = 40;

impl Knapsack {
    pub(crate) fn clear(&mut self) {
        self.route.clear();
        self.profit.clear();
        self.time.clear();
        self.memory.clear();
    }

    /// Adds an item of positive profit.
    #[inline]
    pub(crate) fn push(&mut self, route: usize, profit: f64, time: f64, memory: f64) {
        self.route.push(route as u32);
        self.profit.push(profit);
        self.time.push(time);
        self.memory.push(memory);
    }

    /// The best `r` in `min..=max` (both at least 1) at `cost` per replica; the fill is left in `fraction`.
    pub(crate) fn best(&mut self, cost: f64, min: u32, max: u32, binding: BindingRow) -> BestFill {
        let guess = self.continuous_replicas(cost, binding).clamp(f64::from(min), f64::from(max)) as u32;
        let mut replicas = guess;
        let mut fill = self.fill_at(replicas, binding);
        self.fraction.clone_from(&self.fill);
        let mut best = BestFill { value: fill.value - cost * f64::from(replicas), replicas };
        // Walk towards the optimum of the concave function; the slopes prove that nothing lies beyond the end.
        let upwards = fill.slope > cost;
        let mut step = 1_u32;
        let (mut inside, mut outside) = (replicas, None);
        loop {
            let next = match outside {
                None if upwards && inside < max => inside.saturating_add(step).min(max),
                None if !upwards && inside > min => inside.saturating_sub(step).max(min),
                Some(bound) if u32::abs_diff(bound, inside) > 1 => inside.min(bound) + u32::abs_diff(bound, inside) / 2,
                _ => break,
            };
            fill = self.fill_at(next, binding);
            replicas = next;
            let value = fill.value - cost * f64::from(replicas);
            if value > best.value {
                best = BestFill { value, replicas };
                self.fraction.clone_from(&self.fill);
            }
            if (fill.slope > cost) == upwards {
                inside = next;
                step = step.saturating_mul(2);
            } else {
                outside = Some(next);
            }
        }
        best
    }

    /// Upper bound on `F(r)`.
    pub(crate) fn value_at(&mut self, replicas: u32, binding: BindingRow) -> f64 {
        self.fill_at(replicas, binding).value
    }

    /// Number of replicas that would be best if parts of a replica could be had.
    fn continuous_replicas(&self, cost: f64, binding: BindingRow) -> f64 {
        let mut time = 0.0;
        let mut memory = 0.0;
        for ((&profit, &t), &m) in self.profit.iter().zip(&self.time).zip(&self.memory) {
            let load = match binding {
                BindingRow::Time => t,
                BindingRow::Memory => m,
                BindingRow::Either => t.max(m),
            };
            if profit > cost * load {
                time += t;
                memory += m;
            }
        }
        match binding {
            BindingRow::Time => time,
            BindingRow::Memory => memory,
            BindingRow::Either => time.max(memory),
        }
    }

    fn fill_at(&mut self, replicas: u32, binding: BindingRow) -> Fill {
        let capacity = f64::from(replicas);
        match binding {
            BindingRow::Time => self.greedy(1.0, capacity),
            BindingRow::Memory => self.greedy(0.0, capacity),
            BindingRow::Either => self.both_rows(capacity),
        }
    }

    fn both_rows(&mut self, capacity: f64) -> Fill {
        let slack = capacity * (1.0 + 1e-12);
        let by_time = self.greedy(1.0, capacity);
        if by_time.memory <= slack {
            return by_time;
        }
        self.high.clone_from(&self.fill);
        let by_memory = self.greedy(0.0, capacity);
        if by_memory.time <= slack {
            return by_memory;
        }
        self.low.clone_from(&self.fill);
        // At λ = 1 memory is exceeded, at λ = 0 time is: between them the bound has its minimum.
        let (mut low, mut high) = (by_memory, by_time);
        let (mut low_weight, mut high_weight) = (0.0, 1.0);
        let mut best = if by_time.value < by_memory.value { by_time } else { by_memory };
        for _ in 0..BISECTIONS {
            let weight = 0.5 * (low_weight + high_weight);
            let fill = self.greedy(weight, capacity);
            if fill.value < best.value {
                best = fill;
            }
            if fill.memory > capacity {
                std::mem::swap(&mut self.high, &mut self.fill);
                (high, high_weight) = (fill, weight);
            } else {
                std::mem::swap(&mut self.low, &mut self.fill);
                (low, low_weight) = (fill, weight);
            }
            let (share, scale) = mixture(&low, &high, capacity);
            if scale * (low.value + share * (high.value - low.value)) >= (1.0 - 1e-11) * best.value {
                break;
            }
        }
        let (share, scale) = mixture(&low, &high, capacity);
        self.fill.clear();
        self.fill.extend(self.low.iter().zip(&self.high).map(|(low, high)| scale * (low + share * (high - low))));
        best
    }

    /// Fills one row of loads `weight·time + (1 - weight)·memory` greedily.
    fn greedy(&mut self, weight: f64, capacity: f64) -> Fill {
        let count = self.profit.len();
        let load = |k: usize| match weight {
            1.0 => self.time[k],
            0.0 => self.memory[k],
            _ => weight * self.time[k] + (1.0 - weight) * self.memory[k],
        };
        self.density.clear();
        self.density.extend((0..count).map(|k| if load(k) > 0.0 { self.profit[k] / load(k) } else { f64::INFINITY }));
        self.order.clear();
        self.order.extend(0..count as u32);
        let density = &self.density;
        self.order.sort_unstable_by(|&a, &b| density[b as usize].total_cmp(&density[a as usize]).then(a.cmp(&b)));
        self.fill.clear();
        self.fill.resize(count, 0.0);
        let mut fill = Fill { value: 0.0, slope: 0.0, time: 0.0, memory: 0.0 };
        let mut left = capacity;
        for &k in &self.order {
            let k = k as usize;
            let load = load(k);
            let share = if load <= left { 1.0 } else { left / load };
            left -= share * load;
            self.fill[k] = share;
            fill.value += share * self.profit[k];
            fill.time += share * self.time[k];
            fill.memory += share * self.memory[k];
            if share < 1.0 {
                fill.slope = self.density[k];
                break;
            }
        }
        fill
    }
}

/// Share of `high` in the mixture with `low` that exceeds `capacity` the least, and what it must be scaled with to
/// exceed it in neither row; 1 once the two fills come from nearly the same weights.
fn mixture(low: &Fill, high: &Fill, capacity: f64) -> (f64, f64) {
    // `low` exceeds time, `high` exceeds memory.
    let part = |excess: f64, fall: f64| if excess > 0.0 && fall > 0.0 { (excess / fall).min(1.0) } else { 0.0 };
    let for_time = part(low.time - capacity, low.time - high.time);
    let for_memory = 1.0 - part(high.memory - capacity, high.memory - low.memory);
    let share = 0.5 * (for_time + for_memory);
    let largest = f64::max(low.time + share * (high.time - low.time), low.memory + share * (high.memory - low.memory));
    (share, if largest > capacity { capacity / largest } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `F(r)` by a general solver.
    fn reference(items: &[(f64, f64, f64)], capacity: f64) -> f64 {
        let mut model = microlp::Problem::new(microlp::OptimizationDirection::Maximize);
        let x: Vec<_> = items.iter().map(|item| model.add_var(item.0, (0.0, 1.0))).collect();
        let row = |load: fn(&(f64, f64, f64)) -> f64| -> Vec<_> {
            x.iter().zip(items).map(|(&x, item)| (x, load(item))).collect()
        };
        model.add_constraint(row(|item| item.1), microlp::ComparisonOp::Le, capacity);
        model.add_constraint(row(|item| item.2), microlp::ComparisonOp::Le, capacity);
        match model.solve() {
            Ok(microlp::SolveOutcome::Solution(solution)) => solution.objective(),
            _ => f64::NAN,
        }
    }

    fn load() -> impl Strategy<Value = f64> {
        prop_oneof![Just(0.0), 0.01..3.0_f64]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn the_best_fill_is_exact_and_its_traffic_fits(
            items in prop::collection::vec((0.01..5.0_f64, load(), load()), 1..9),
            cost in prop_oneof![Just(0.0), 0.0..4.0_f64],
            range in (1..4_u32, 0..12_u32),
        ) {
            let (min, max) = (range.0, range.0 + range.1);
            let mut knapsack = Knapsack::default();
            for (k, &(profit, time, memory)) in items.iter().enumerate() {
                knapsack.push(k, profit, time, memory);
            }
            let best = knapsack.best(cost, min, max, BindingRow::Either);
            let net = |r: u32| reference(&items, f64::from(r)) - cost * f64::from(r);
            let exact = (min..=max).map(net).fold(f64::NEG_INFINITY, f64::max);
            prop_assert!((best.value - exact).abs() <= 1e-8 * (1.0 + exact.abs()), "{} not {exact}", best.value);
            let sum = |value: fn(&(f64, f64, f64)) -> f64| -> f64 {
                items.iter().zip(&knapsack.fraction).map(|(item, share)| value(item) * share).sum()
            };
            let replicas = f64::from(best.replicas);
            prop_assert!(sum(|item| item.1) <= replicas * (1.0 + 1e-9));
            prop_assert!(sum(|item| item.2) <= replicas * (1.0 + 1e-9));
            prop_assert!(knapsack.fraction.iter().all(|share| (0.0..=1.0).contains(share)));
            let attained = sum(|item| item.0) - cost * replicas;
            prop_assert!((attained - exact).abs() <= 1e-8 * (1.0 + exact.abs()), "{attained} not {exact}");
        }
    }
}
