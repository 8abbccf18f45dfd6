//! What of a transition can be done now, while what starts does not serve yet.

use super::{carried_over, ReplicaCounts, Walk};
use crate::Deployment;

/// How far a transition has come after a call.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::planner) struct Begun {
    /// What should run now: replicas that start, and those that others do not replace yet, included.
    pub(in crate::planner) deployments: Vec<Deployment>,
    /// Those of them that are up and stay.
    pub(in crate::planner) serving: Vec<Deployment>,
    /// Replicas that are starting.
    pub(in crate::planner) starting: u64,
}

impl Walk<'_> {
    /// All starts, and then all stops, where limits leave room for that: no order serves more at its lowest moment, since each
    /// state has all replicas of the first one or all of the last.
    pub(super) fn direct_path(&self) -> Option<Vec<ReplicaCounts>> {
        let top: ReplicaCounts = self.first.iter().zip(&self.last).map(|(&now, &then)| now.max(then)).collect();
        let is_enough = match self.stores_tokens {
            // All that there are.
            true => self.fits_beside(&top, self.problem.query_types.data_gb.iter().sum()),
            false => top == self.first || self.fits(&top),
        };
        if !is_enough {
            return None;
        }
        let mut states = vec![self.first.clone()];
        for to in [&top, &self.last] {
            for slot in 0..to.len() {
                let mut state = states[states.len() - 1].clone();
                if state[slot] != to[slot] {
                    state[slot] = to[slot];
                    states.push(state);
                }
            }
        }
        Some(states)
    }

    /// What can be done now: the steps up to the first stop that waits for what starts. With `limit`, at most that many
    /// starts and stops beside what was `asked` for before. `None` where nothing is to be done.
    pub(in crate::planner) fn begun(mut self, asked: &[Deployment], limit: Option<u64>) -> Option<Begun> {
        let asked = self.state_of(asked);
        if self.first == self.last && (limit.is_none() || asked == self.last) {
            return None;
        }
        let path = match self.direct_path() {
            Some(path) => path,
            None => {
                let (first, last) = (self.first.clone(), self.last.clone());
                let floor = self.share(&first).min(self.share(&last));
                self.widest_path(floor).0
            }
        };
        let mut wanted = self.first.clone();
        let mut starting = 0;
        for two in path.windows(2) {
            let Some(slot) = (0..wanted.len()).find(|&slot| two[0][slot] != two[1][slot]) else { continue };
            // What others replace goes on until they serve.
            if two[1][slot] < two[0][slot] && starting > 0 {
                break;
            }
            starting += u64::from(two[1][slot].saturating_sub(two[0][slot]));
            wanted[slot] = two[1][slot];
        }
        if let Some(limited) = limit.and_then(|limit| self.limited(&asked, &wanted, limit)) {
            wanted = limited;
        }
        let serving: ReplicaCounts = self.first.iter().zip(&wanted).map(|(&up, &wanted)| up.min(wanted)).collect();
        let starting = wanted.iter().zip(&serving).map(|(wanted, up)| u64::from(wanted - up)).sum();
        Some(Begun { deployments: self.deployments_of(&wanted), serving: self.deployments_of(&serving), starting })
    }

    /// The nearest that `limit` starts and stops come from `asked` to `wanted`; `None` where what was asked for is forced to change, since
    /// it no longer keeps the limits.
    fn limited(&self, asked: &ReplicaCounts, wanted: &ReplicaCounts, limit: u64) -> Option<ReplicaCounts> {
        if !self.fits(asked) {
            return None;
        }
        let (mut state, mut left) = (asked.clone(), u32::try_from(limit).unwrap_or(u32::MAX));
        let least = |slot: usize| self.problem.min_replicas(self.configurations[slot] as usize);
        // Stops make room: of what starts and is no longer wanted, and of what runs.
        for slot in 0..state.len() {
            let surplus = state[slot].saturating_sub(wanted[slot]);
            let mut now = state[slot] - surplus.min(left);
            if now < least(slot) && now > wanted[slot] {
                now = state[slot].min(least(slot));
            }
            left -= state[slot] - now;
            state[slot] = now;
        }
        for slot in 0..state.len() {
            let mut starts = wanted[slot].saturating_sub(state[slot]).min(left);
            // What still runs may leave room for fewer.
            while starts > 0 {
                let mut more = state.clone();
                more[slot] += starts;
                if more[slot] >= least(slot).min(wanted[slot]) && self.fits(&more) {
                    state = more;
                    left -= starts;
                    break;
                }
                starts /= 2;
            }
        }
        // What cannot be done in parts is done as a whole.
        (state != *asked || asked == wanted).then_some(state)
    }

    fn state_of(&self, deployments: &[Deployment]) -> ReplicaCounts {
        let last = self.deployments_of(&self.last);
        let carried = carried_over(self.problem, deployments, &last);
        let replicas = |a: &u32| carried.iter().find(|entry| entry.configuration == *a).map_or(0, |it| it.replicas);
        self.configurations.iter().map(replicas).collect()
    }

    fn deployments_of(&self, state: &ReplicaCounts) -> Vec<Deployment> {
        let entries = self.configurations.iter().zip(state).filter(|(_, &replicas)| replicas > 0);
        entries.map(|(&configuration, &replicas)| Deployment { configuration, replicas }).collect()
    }
}
