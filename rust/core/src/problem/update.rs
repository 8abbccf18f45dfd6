//! Changing the numbers of a problem in place: rates, prices and pools, for a planner that owns its copy.
//!
//! The result equals [`Problem::new`] of the changed data; only what changes is validated and derived again. A problem
//! that is shared stays immutable: these methods need `&mut`.

use super::routes::{is_usable, latency_usd, route_table};
use super::validate::{check_number, Range};
use super::{rate_that_counts, Problem};
use crate::{Error, Result};

impl Problem {
    /// Sets the arrival rates λ, queries per hour. Nothing changes where there is an error.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] names the entry `rates[i]` that is not finite or negative, or the wrong length.
    pub fn set_rates(&mut self, rate_per_h: &[f64]) -> Result<()> {
        self.check_rates(rate_per_h)?;
        self.put_rates(rate_per_h);
        self.derive_routes();
        Ok(())
    }

    /// Sets the rental of one GPU of each tier, USD per hour. Nothing changes where there is an error.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] names the entry `prices[k]` that is not finite or negative, or the wrong length.
    pub fn set_prices(&mut self, gpu_usd_per_h: &[f64]) -> Result<()> {
        self.check_prices(gpu_usd_per_h)?;
        self.put_prices(gpu_usd_per_h);
        Ok(())
    }

    /// Sets the GPUs that exist in each pool; infinite where there is no limit, 0 where a pool is
    /// lost. Nothing changes where there is an error.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] names the entry `pools[g]` that is NaN or negative, or the wrong length.
    pub fn set_pools(&mut self, max_gpus: &[f64]) -> Result<()> {
        self.check_pools(max_gpus)?;
        self.put_pools(max_gpus);
        Ok(())
    }

    /// Sets the storage price, USD per GB and hour. Nothing changes where there is an error.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] where it is not finite or negative.
    pub(crate) fn set_storage_price(&mut self, usd_per_gb_h: f64) -> Result<()> {
        check_number(usd_per_gb_h, Range::NonNegative, || "storage_usd_per_gb_h".to_owned())?;
        self.data.storage_usd_per_gb_h = usd_per_gb_h;
        let usd = self.data.horizon_h * usd_per_gb_h;
        let (c, q) = (&self.data.configurations, &self.data.query_types);
        self.weights_usd.iter_mut().zip(&c.weights_gb).for_each(|(price, gb)| *price = usd * gb);
        self.data_usd.iter_mut().zip(&q.data_gb).for_each(|(price, gb)| *price = usd * gb);
        Ok(())
    }

    /// Sets budget, USD, and storage capacity, GB. Nothing changes where there is an error.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] where one is not above 0.
    pub(crate) fn set_budget_and_storage(&mut self, budget_usd: f64, storage_gb: f64) -> Result<()> {
        check_number(budget_usd, Range::Limit, || "budget_usd".to_owned())?;
        check_number(storage_gb, Range::Limit, || "storage_gb".to_owned())?;
        (self.data.budget_usd, self.data.storage_gb) = (budget_usd, storage_gb);
        self.derive_limits();
        Ok(())
    }

    pub(crate) fn check_rates(&self, rate_per_h: &[f64]) -> Result<()> {
        check_array("rates", rate_per_h, self.num_query_types(), Range::Rate)
    }

    pub(crate) fn check_prices(&self, gpu_usd_per_h: &[f64]) -> Result<()> {
        check_array("prices", gpu_usd_per_h, self.data.tiers.name.len(), Range::NonNegative)
    }

    pub(crate) fn check_pools(&self, max_gpus: &[f64]) -> Result<()> {
        check_array("pools", max_gpus, self.num_pools(), Range::LimitOrZero)
    }

    /// Sets checked rates without deriving the coefficients of routes: [`Problem::derive_routes_of`] does for those
    /// that are looked at, [`Problem::derive_routes`] for all.
    pub(crate) fn put_rates(&mut self, rate_per_h: &[f64]) {
        let q = &mut self.data.query_types;
        for (rate, &new) in q.rate_per_h.iter_mut().zip(rate_per_h) {
            *rate = rate_that_counts(new);
        }
        for (i, usd) in self.unmet_usd.iter_mut().enumerate() {
            *usd = self.data.horizon_h * q.rate_per_h[i] * q.unmet_usd_per_query[i];
        }
    }

    /// Sets checked prices.
    pub(crate) fn put_prices(&mut self, gpu_usd_per_h: &[f64]) {
        self.data.tiers.gpu_usd_per_h.copy_from_slice(gpu_usd_per_h);
        self.derive_limits();
    }

    /// Sets checked pools.
    pub(crate) fn put_pools(&mut self, max_gpus: &[f64]) {
        self.data.pools.max_gpus.copy_from_slice(max_gpus);
        self.derive_limits();
    }

    /// Derives the coefficients of every route from the rates. True where other routes than before can carry a share that
    /// counts: then every position in the route table is another one.
    pub(crate) fn derive_routes(&mut self) -> bool {
        let usable = (0..self.num_routes()).filter(|&route| is_usable(&self.data, route)).count();
        let is_same = usable == self.routes.len()
            && self.routes.source.iter().all(|&route| is_usable(&self.data, route as usize));
        if !is_same {
            self.routes = route_table(&self.data);
            return true;
        }
        for position in 0..self.routes.len() {
            self.derive_route(position);
        }
        false
    }

    /// Derives the coefficients of the routes of configuration `a` from the rates.
    pub(crate) fn derive_routes_of(&mut self, a: usize) {
        for position in self.routes.of_configuration(a) {
            self.derive_route(position);
        }
    }

    // The formulas of `route_table`, to the last bit.
    #[inline]
    fn derive_route(&mut self, position: usize) {
        let (data, table) = (&self.data, &mut self.routes);
        let (route, i) = (table.source[position] as usize, table.query_type[position] as usize);
        let a = table.configuration[position] as usize;
        let kv_cache_gb = data.configurations.kv_cache_gb[a];
        let per_s = data.query_types.rate_per_h[i] / 3600.0;
        let (busy, memory) = (per_s * data.routes.busy_s[route], per_s * data.routes.kv_gb_s[route]);
        table.time[position] = busy;
        table.memory[position] = memory;
        table.time_replicas[position] = busy / data.max_utilization_of(a);
        table.memory_replicas[position] = memory / kv_cache_gb;
        table.latency_usd[position] = latency_usd(data, route);
    }

    fn derive_limits(&mut self) {
        for a in 0..self.num_configurations() {
            (self.replica_usd[a], self.replica_limit[a]) = self.derive_limit(a);
        }
    }
}

fn check_array(name: &str, values: &[f64], expected: usize, range: Range) -> Result<()> {
    if values.len() != expected {
        let message = format!("has {} entries where {expected} are expected", values.len());
        return Err(Error::invalid(name, message));
    }
    for (index, &value) in values.iter().enumerate() {
        check_number(value, range, || format!("{name}[{index}]"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::{generate, Problem};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(120))]

        #[test]
        fn an_updated_problem_equals_one_made_anew(
            seed in any::<u64>(),
            factors in prop::collection::vec(prop_oneof![Just(0.0), Just(1e12), 0.01..100.0_f64], 40),
        ) {
            let mut problem = generate::small(seed).unwrap();
            let mut data = problem.data().clone();
            let times = |values: &[f64]| -> Vec<f64> { values.iter().zip(&factors).map(|(a, b)| a * b).collect() };
            data.query_types.rate_per_h = times(&data.query_types.rate_per_h);
            data.tiers.gpu_usd_per_h = times(&data.tiers.gpu_usd_per_h);
            data.pools.max_gpus = data.pools.max_gpus.iter().zip(&factors).map(|(gpus, by)| if gpus.is_finite() { gpus * by } else { *gpus }).collect();
            problem.set_rates(&data.query_types.rate_per_h).unwrap();
            problem.set_prices(&data.tiers.gpu_usd_per_h).unwrap();
            problem.set_pools(&data.pools.max_gpus).unwrap();
            prop_assert_eq!(problem, Problem::new(data).unwrap());
        }
    }

    #[test]
    fn bad_numbers_are_named_and_change_nothing() {
        let mut problem = generate::small(1).unwrap();
        let before = problem.clone();
        let many = vec![1.0; problem.num_query_types() + 1];
        let mut rates = before.query_types.rate_per_h.clone();
        rates[0] = f64::NAN;
        assert!(problem.set_rates(&rates).unwrap_err().to_string().starts_with("rates[0]: "));
        rates[0] = -1.0;
        assert!(problem.set_rates(&rates).unwrap_err().to_string().starts_with("rates[0]: "));
        assert!(problem.set_rates(&many).unwrap_err().to_string().starts_with("rates: has "));
        let prices = vec![f64::INFINITY; before.tiers.name.len()];
        assert!(problem.set_prices(&prices).unwrap_err().to_string().starts_with("prices[0]: "));
        assert!(problem.set_pools(&vec![1.0; before.num_pools() + 1]).is_err());
        assert_eq!(problem, before);
    }
}
