//! Numbers that steer the search, each with its unit and where it comes from.
//!
//! Steps are elementary steps of the search, of a few nanoseconds each: counted, not timed, so that a plan does not depend on
//! the machine. Unless a field says otherwise, its default gave the smallest mean gap in its time among round numbers tried
//! with `cargo bench --bench quality` on the measuring problems, for the planner with `--bench planner`; what was tried without
//! gain is in `docs/decisions`. Tolerances of rounding are no settings: they stand where they are used. New fields may come with any
//! release.

mod bound;
mod construct;
mod planner;
mod search;

pub use bound::{BoundTuning, ProofTuning, TreeTuning};
pub use construct::ConstructTuning;
pub use planner::{IntensificationTuning, PlannerKernelSizes, PlannerTuning};
pub use search::{Escalation, KernelSizes, Perturbation, Schedule, SearchTuning};

use crate::Result;

/// Defines a struct of settings with its defaults and the check of their ranges.
///
/// A line is `name: type = default, rule;`, where the rule is a function of [`rules`].
macro_rules! settings {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $kind:ty = $default:expr, $rule:ident;)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$field_doc])*
            #[doc = concat!("\n\nDefault: `", stringify!($default), "`.")]
            pub $field: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::tuning::Settings for $name {
            fn validate(&self) -> $crate::Result<()> {
                $($crate::tuning::rules::$rule(stringify!($field), &self.$field)?;)*
                Ok(())
            }
        }
    };
}
use settings;

/// What can be checked.
trait Settings {
    /// Checks every setting; an error names the one that is out of range.
    fn validate(&self) -> Result<()>;
}

settings! {
    /// Every number that steers a solve beside its [`Switches`](crate::Switches), for benchmarks that vary them; see the
    /// [module](self) for units and sources.
    Tuning {
        /// How the work is divided.
        schedule: Schedule = Schedule::default(), nested;
        /// How many configurations the search moves within.
        kernel: KernelSizes = KernelSizes::default(), nested;
        /// What a search from one state does.
        search: SearchTuning = SearchTuning::default(), nested;
        /// What the greedy heuristic compares and tries.
        construct: ConstructTuning = ConstructTuning::default(), nested;
        /// How lower bounds are found, and trees over them searched.
        bound: BoundTuning = BoundTuning::default(), nested;
        /// How the work of a proof is divided.
        proof: ProofTuning = ProofTuning::default(), nested;
    }
}

impl Tuning {
    /// Checks that shares are shares, that counts which have to be positive are, and that nothing is negative.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) names the number that is out of range.
    pub fn validate(&self) -> Result<()> {
        rules::nested("tuning", self)
    }
}

impl PlannerTuning {
    /// As [`Tuning::validate`].
    ///
    /// # Errors
    /// As [`Tuning::validate`].
    pub fn validate(&self) -> Result<()> {
        rules::nested("tuning", self)
    }
}

/// Ranges that settings have.
mod rules {
    use std::fmt::Display;

    use super::Settings;
    use crate::{Error, Result};

    fn check(holds: bool, name: &str, rule: &str, value: impl Display) -> Result<()> {
        match holds {
            true => Ok(()),
            false => Err(Error::invalid(name, format!("must be {rule}, got {value}"))),
        }
    }

    pub(super) fn share(name: &str, value: &f64) -> Result<()> {
        check((0.0..=1.0).contains(value), name, "between 0 and 1", value)
    }

    pub(super) fn figure(name: &str, value: &f64) -> Result<()> {
        check(value.is_finite() && *value >= 0.0, name, "a number of at least 0", value)
    }

    pub(super) fn positive<T: Default + PartialEq + Display>(name: &str, value: &T) -> Result<()> {
        check(*value != T::default(), name, "at least 1", value)
    }

    /// Any number of things.
    pub(super) fn count<T>(_name: &str, _value: &T) -> Result<()> {
        Ok(())
    }

    pub(super) fn nested(name: &str, settings: &impl Settings) -> Result<()> {
        settings.validate().map_err(|error| match error {
            Error::Invalid { entry, message } => Error::invalid(format!("{name}.{entry}"), message),
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn the_defaults_are_in_range() {
        assert_eq!(Tuning::default().validate(), Ok(()));
        assert_eq!(PlannerTuning::default().validate(), Ok(()));
    }

    #[test]
    fn a_number_out_of_range_is_named() {
        let mut tuning = Tuning::default();
        tuning.search.perturbation.dive_share = 1.5;
        let refused = tuning.validate();
        assert!(
            matches!(refused, Err(Error::Invalid { entry, .. }) if entry == "tuning.search.perturbation.dive_share")
        );
        tuning = Tuning::default();
        tuning.schedule.islands = 0;
        let refused = tuning.validate();
        assert!(matches!(refused, Err(Error::Invalid { entry, .. }) if entry == "tuning.schedule.islands"));
        let tuning = PlannerTuning { drift: f64::NAN, ..PlannerTuning::default() };
        let refused = tuning.validate();
        assert!(matches!(refused, Err(Error::Invalid { entry, .. }) if entry == "tuning.drift"));
    }
}
