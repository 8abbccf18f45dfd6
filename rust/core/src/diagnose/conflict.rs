//! The smallest set of constraints that no plan meets together.
//!
//! A set conflicts exactly where it hits every correction set (constraints without which a plan exists). The smallest
//! hitting set of the correction sets known so far is tested; where it has a plan, that plan's problem is tightened
//! until nothing more can be added, which gives another correction set. When a hitting set has no plan, it is a
//! smallest conflict.
//!
//! Source: Ignatiev, Previti, Liffiton and Marques-Silva, "Smallest MUS extraction with minimal hitting set
//! dualization", 2015.

use super::constraint::Constraint;
use super::oracle::{any_plan, Answer};
use crate::{Problem, ProblemData, Result, Stop};

/// Constraints that conflict.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Conflict {
    pub(crate) constraints: Vec<Constraint>,
    /// Whether no smaller set conflicts.
    pub(crate) is_smallest: bool,
}

/// The problem with only `kept` of `all` in force.
fn only(problem: &Problem, all: &[Constraint], kept: &[bool]) -> ProblemData {
    let mut data = problem.data().clone();
    for (constraint, _) in all.iter().zip(kept).filter(|(_, kept)| !**kept) {
        let loosest = constraint.loosest(problem.data());
        constraint.set(&mut data, loosest);
    }
    data
}

/// The smallest conflict of an infeasible problem; what was found by then where `stop` comes first.
pub(crate) fn smallest(problem: &Problem, stop: &Stop) -> Result<Conflict> {
    let all = Constraint::of(problem);
    let first = by_deletion(problem, &all, stop)?;
    let named = |kept: &[bool]| all.iter().zip(kept).filter(|(_, kept)| **kept).map(|(c, _)| *c).collect();
    let mut corrections: Vec<Vec<usize>> = Vec::new();
    let mut size = 1;
    while let Some(hit) = hitting_set(&corrections, &mut size, all.len()) {
        if size >= first.iter().filter(|kept| **kept).count() {
            // Nothing smaller hits every correction set, so what deletion found is a smallest conflict.
            return Ok(Conflict { constraints: named(&first), is_smallest: true });
        }
        let mut kept = vec![false; all.len()];
        hit.iter().for_each(|&index| kept[index] = true);
        match any_plan(only(problem, &all, &kept), stop)? {
            Answer::None => return Ok(Conflict { constraints: named(&kept), is_smallest: true }),
            Answer::Unknown => break,
            Answer::Plan(_) => {
                if !grow(problem, &all, &mut kept, stop)? {
                    break;
                }
                corrections.push((0..all.len()).filter(|&index| !kept[index]).collect());
            }
        }
    }
    Ok(Conflict { constraints: named(&first), is_smallest: false })
}

/// Drops one constraint after the other that the conflict does not need.
fn by_deletion(problem: &Problem, all: &[Constraint], stop: &Stop) -> Result<Vec<bool>> {
    let mut kept = vec![true; all.len()];
    for index in 0..all.len() {
        kept[index] = false;
        if !matches!(any_plan(only(problem, all, &kept), stop)?, Answer::None) {
            kept[index] = true;
        }
    }
    Ok(kept)
}

/// Adds constraints while a plan remains; false where `stop` came first.
fn grow(problem: &Problem, all: &[Constraint], kept: &mut [bool], stop: &Stop) -> Result<bool> {
    for index in 0..all.len() {
        if kept[index] {
            continue;
        }
        kept[index] = true;
        match any_plan(only(problem, all, kept), stop)? {
            Answer::Plan(_) => {}
            Answer::None => kept[index] = false,
            Answer::Unknown if stop.should_stop() => return Ok(false),
            // Left out of the correction set it would claim too much; left in, too little, which is safe.
            Answer::Unknown => kept[index] = false,
        }
    }
    Ok(true)
}

/// A smallest set with a member of every one of `sets`, of at least `size`, which is raised as needed.
fn hitting_set(sets: &[Vec<usize>], size: &mut usize, most: usize) -> Option<Vec<usize>> {
    while *size <= most {
        let mut chosen = Vec::with_capacity(*size);
        if extend(sets, &mut chosen, *size) {
            return Some(chosen);
        }
        *size += 1;
    }
    None
}

fn extend(sets: &[Vec<usize>], chosen: &mut Vec<usize>, size: usize) -> bool {
    let Some(missed) = sets.iter().find(|set| !set.iter().any(|member| chosen.contains(member))) else {
        return true;
    };
    if chosen.len() == size {
        return false;
    }
    for &member in missed {
        chosen.push(member);
        if extend(sets, chosen, size) {
            return true;
        }
        chosen.pop();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hitting_set_is_the_smallest() {
        let sets = vec![vec![0, 1], vec![1, 2], vec![3, 4], vec![2, 3]];
        let mut size = 1;
        let found = hitting_set(&sets, &mut size, 5).expect("there is one");
        assert_eq!((found.len(), size), (2, 2));
        assert!(sets.iter().all(|set| set.iter().any(|member| found.contains(member))));
        assert_eq!(hitting_set(&[vec![]], &mut 1, 5), None);
    }
}
