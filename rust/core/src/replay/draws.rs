//! Which requests of several draws one deployment answers too late: [`Draws`].

use super::deployment::{self, Served};
use super::outcome::Record;
use super::requests::{Jobs, Requests};
use super::settings::Dispatch;
use super::slos::Slos;
use super::tally::{Allowed, Tally};
use crate::threads::for_each;
use crate::{CancelToken, Error, Result, MAX_THREADS};

/// Draws of the requests that deployments are compared under, and their SLOs.
#[derive(Debug, Clone, PartialEq)]
pub struct Draws {
    draws: Vec<Requests>,
    slos: Slos,
}

impl Draws {
    /// Draws of requests, each replayed on its own.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first entry that breaks a rule.
    pub fn new(draws: Vec<Requests>, slos: Slos) -> Result<Self> {
        let num_types = slos.num_types()?;
        for draw in &draws {
            draw.validate(num_types)?;
        }
        Ok(Self { draws, slos })
    }

    /// The requests of each draw that miss an SLO, of those `chosen` of it, all of which one deployment gets; `None` where more
    /// miss than `allowed`, which ends the replays early.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first entry that breaks a rule, or `cancel` where the token was cancelled.
    pub fn missed(
        &self,
        chosen: &[Vec<u32>],
        served: &Served,
        dispatch: Dispatch,
        allowed: &Allowed,
        threads: usize,
        cancel: &CancelToken,
    ) -> Result<Option<Vec<Vec<u32>>>> {
        self.validate(chosen, allowed, threads)?;
        served.validate("deployments[0]")?;
        let tally = Tally::new(allowed);
        let mut found = vec![Vec::new(); self.draws.len()];
        let parts = self.draws.iter().zip(chosen).zip(&mut found);
        for_each(parts, threads, |((draw, chosen), missed)| {
            if tally.is_exceeded() || cancel.is_cancelled() {
                return;
            }
            let jobs = Jobs::gather(draw, chosen.clone());
            let mut record = Record::watching(jobs.id.len(), &self.slos, &tally);
            if deployment::run(served, &jobs, dispatch, &mut record, cancel).is_some() {
                *missed = record.into_missed();
            }
        });
        if cancel.is_cancelled() {
            return Err(Error::invalid("cancel", "the replay was cancelled"));
        }
        Ok((!tally.is_exceeded()).then_some(found))
    }

    fn validate(&self, chosen: &[Vec<u32>], allowed: &Allowed, threads: usize) -> Result<()> {
        if allowed.types.len() != self.slos.num_types()? {
            return Err(Error::invalid("allowed", "has another number of query types than the SLOs"));
        }
        if !(1..=MAX_THREADS).contains(&threads) {
            return Err(Error::invalid("threads", format!("must lie between 1 and {MAX_THREADS}, got {threads}")));
        }
        if chosen.len() != self.draws.len() {
            let message = format!("has {} entries where there are {} draws", chosen.len(), self.draws.len());
            return Err(Error::invalid("chosen", message));
        }
        for (d, (chosen, draw)) in chosen.iter().zip(&self.draws).enumerate() {
            let rises = chosen.windows(2).all(|pair| pair[0] < pair[1]);
            if !rises || chosen.last().is_some_and(|&last| last as usize >= draw.len()) {
                let message = format!("must be rising indices below {}", draw.len());
                return Err(Error::invalid(format!("chosen[{d}]"), message));
            }
        }
        Ok(())
    }
}
