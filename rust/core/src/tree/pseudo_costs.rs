//! What earlier decisions of each kind raised the bound by, to foretell what the next ones will.
//!
//! Source: Achterberg, Koch and Martin, "Branching rules revisited", 2005 (reliability branching).

use std::collections::HashMap;

use crate::bound::Decision;

/// Gains in units of the cost that the decision moves, summed, and how many.
#[derive(Debug, Clone, Copy, Default)]
struct Samples {
    sum: f64,
    count: f64,
}

impl Samples {
    fn mean(self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }
}

/// Which decisions share their experience: those about the same configuration or pair, per side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Fewer(u32),
    More(u32),
    Closed(u32),
    Forced(u32),
}

impl Key {
    fn of(decision: Decision) -> Self {
        match decision {
            Decision::AtMost(a, _) => Self::Fewer(a),
            Decision::AtLeast(a, _) => Self::More(a),
            Decision::Closed(pair) => Self::Closed(pair),
            Decision::Forced(pair) => Self::Forced(pair),
        }
    }

    fn kind(self) -> usize {
        match self {
            Self::Fewer(_) => 0,
            Self::More(_) => 1,
            Self::Closed(_) => 2,
            Self::Forced(_) => 3,
        }
    }
}

/// Gains seen so far.
#[derive(Debug, Default)]
pub(crate) struct PseudoCosts {
    /// Samples from which on a forecast counts as good as a trial.
    reliable: f64,
    known: HashMap<Key, Samples>,
    /// Of decisions of the same kind and side.
    all: [Samples; 4],
}

impl PseudoCosts {
    /// Nothing seen yet.
    pub(crate) fn new(reliable: f64) -> Self {
        Self { reliable, known: HashMap::new(), all: Default::default() }
    }

    /// Notes that `decision`, which moves `usd` of cost, raised the bound by `gain_usd`.
    pub(crate) fn note(&mut self, decision: Decision, usd: f64, gain_usd: f64) {
        let ratio = gain_usd / usd;
        if usd <= 0.0 || !ratio.is_finite() {
            return;
        }
        let key = Key::of(decision);
        for samples in [self.known.entry(key).or_default(), &mut self.all[key.kind()]] {
            samples.sum += ratio;
            samples.count += 1.0;
        }
    }

    /// By how much `decision`, which moves `usd` of cost, will raise the bound, USD, and whether it is known well.
    pub(crate) fn forecast(&self, decision: Decision, usd: f64) -> (f64, bool) {
        let key = Key::of(decision);
        let own = self.known.get(&key).copied().unwrap_or_default();
        let mean = own.mean().or(self.all[key.kind()].mean()).unwrap_or(1.0);
        (mean * usd, own.count >= self.reliable)
    }
}
