//! What to branch on: deployments that the mixture of patterns leaves undecided.

use crate::bound::{Decision, Domain, Mixture, WHOLE};
use crate::Problem;

/// Two sides of a decision and how undecided the mixture is about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) down: Decision,
    pub(crate) up: Decision,
    pub(crate) score: f64,
    /// Cost that each side moves, USD.
    pub(crate) down_usd: f64,
    pub(crate) up_usd: f64,
}

fn fractionality(value: f64) -> f64 {
    let part = value - value.floor();
    part.min(1.0 - part)
}

/// Whether the decision leaves anything out of `domain`.
fn narrows(decision: Decision, problem: &Problem, domain: &Domain) -> bool {
    match decision {
        Decision::AtMost(a, most) => most < domain.max[a as usize],
        Decision::AtLeast(a, least) => {
            let pair = problem.pair(a as usize);
            let others = problem.pair_configurations(pair).iter().filter(|&&other| other != a);
            least > domain.min[a as usize]
                || !domain.forced[pair]
                || others.into_iter().any(|&other| domain.is_open(other as usize))
        }
        Decision::Closed(pair) => {
            problem.pair_configurations(pair as usize).iter().any(|&a| domain.is_open(a as usize))
        }
        Decision::Forced(pair) => !domain.forced[pair as usize],
    }
}

/// Some decision that is still open in `domain` where the mixture leaves none; `None` where all are made.
///
/// The larger part of a range, beside what the mixture has, is halved: few decisions leave that alone, however large the range.
pub(crate) fn any_candidate(problem: &Problem, domain: &Domain, mixture: &Mixture) -> Option<Candidate> {
    let split = |a: u32| {
        let (least, most) = (domain.min[a as usize], domain.max[a as usize]);
        let entry = mixture.entries.iter().find(|entry| entry.configuration == a);
        let middle = match entry.map(|entry| (entry.replicas.round() as u32).clamp(least, most.max(least))) {
            Some(count) if most - count >= count - least => count + (most - count) / 2,
            Some(count) => least + (count - least).div_ceil(2) - 1,
            None => least + (most - least) / 2,
        };
        let alone = (Decision::AtMost(a, middle), Decision::AtLeast(a, middle + 1));
        let against_others = (Decision::AtMost(a, 0), Decision::AtLeast(a, least));
        if least < most {
            alone
        } else {
            against_others
        }
    };
    let pairs = (0..problem.num_pairs()).map(|pair| (Decision::Closed(pair as u32), Decision::Forced(pair as u32)));
    let open = (0..problem.num_configurations() as u32).filter(|&a| domain.is_open(a as usize)).map(split);
    pairs
        .chain(open)
        .find(|&(down, up)| narrows(down, problem, domain) && narrows(up, problem, domain))
        .map(|(down, up)| Candidate { down, up, score: 0.0, down_usd: 0.0, up_usd: 0.0 })
}

/// Whether the mixture has other configurations of the same pair, which the pair as a whole does not decide about.
fn is_one_of_several(problem: &Problem, mixture: &Mixture, configuration: u32) -> bool {
    let pair = problem.pair(configuration as usize);
    let others = mixture.entries.iter().filter(|entry| entry.configuration != configuration);
    others.into_iter().any(|entry| problem.pair(entry.configuration as usize) == pair)
}

/// Every deployment that the mixture leaves undecided, the most undecided and expensive first.
pub(crate) fn candidates(problem: &Problem, domain: &Domain, mixture: &Mixture) -> Vec<Candidate> {
    let mut found = Vec::new();
    let mut pair_weight: Vec<(u32, f64, f64)> = Vec::new();
    for entry in &mixture.entries {
        let pair = problem.pair(entry.configuration as usize) as u32;
        let cost = entry.replicas * problem.replica_usd(entry.configuration as usize);
        match pair_weight.iter_mut().find(|known| known.0 == pair) {
            Some(known) => {
                known.1 += entry.weight;
                known.2 += cost;
            }
            None => pair_weight.push((pair, entry.weight, cost)),
        }
        let replicas = entry.replicas;
        let is_alone = !is_one_of_several(problem, mixture, entry.configuration);
        if is_alone && replicas < 1.0 && (replicas - entry.weight).abs() <= WHOLE {
            // One replica or none: the pair says the same.
        } else if fractionality(replicas) > WHOLE {
            let floor = replicas.floor() as u32;
            let (part, usd) = (replicas - replicas.floor(), problem.replica_usd(entry.configuration as usize));
            found.push(Candidate {
                down: Decision::AtMost(entry.configuration, floor),
                up: Decision::AtLeast(entry.configuration, floor + 1),
                score: fractionality(replicas) * usd,
                down_usd: part * usd,
                up_usd: (1.0 - part) * usd,
            });
        } else if fractionality(entry.weight) > WHOLE && !is_alone {
            found.push(Candidate {
                down: Decision::AtMost(entry.configuration, 0),
                up: Decision::AtLeast(entry.configuration, 1),
                score: fractionality(entry.weight) * cost / entry.weight,
                down_usd: cost,
                up_usd: (1.0 - entry.weight) * cost / entry.weight,
            });
        }
    }
    for (pair, weight, cost) in pair_weight {
        if fractionality(weight) > WHOLE {
            found.push(Candidate {
                down: Decision::Closed(pair),
                up: Decision::Forced(pair),
                // Of a pair and its configurations, the pair divides more evenly.
                score: 1.2 * fractionality(weight) * cost / weight,
                down_usd: cost,
                up_usd: (1.0 - weight) * cost / weight,
            });
        }
    }
    found.retain(|c| narrows(c.down, problem, domain) && narrows(c.up, problem, domain));
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found
}
