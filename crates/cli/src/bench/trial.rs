//! How a rate is measured: a warm-up, then several trials of the same length, of which the median counts.

use mobula_runtime::clock;
use std::time::Duration;

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrialPlan {
    /// Before the first trial.
    pub(crate) warm_up: Duration,
    /// One trial.
    pub(crate) trial: Duration,
    /// How many.
    pub(crate) trials: usize,
}

impl Default for TrialPlan {
    fn default() -> Self {
        TrialPlan { warm_up: Duration::from_millis(500), trial: Duration::from_secs(1), trials: 3 }
    }
}

/// Runs `round`, which says how many operations it did, again and again; operations a second.
///
/// # Errors
/// The first that a round ends with.
pub(crate) async fn median_rate(
    plan: TrialPlan,
    mut round: impl AsyncFnMut() -> anyhow::Result<u64>,
) -> anyhow::Result<f64> {
    run_for(plan.warm_up, &mut round).await?;
    let mut rates = Vec::with_capacity(plan.trials);
    for _ in 0..plan.trials.max(1) {
        rates.push(run_for(plan.trial, &mut round).await?);
    }
    Ok(median(&mut rates))
}

/// Repeats a round for at least `length`; operations a second.
async fn run_for(
    length: Duration,
    round: &mut impl AsyncFnMut() -> anyhow::Result<u64>,
) -> anyhow::Result<f64> {
    let started = clock::now();
    let mut operations = 0;
    loop {
        operations += round().await?;
        let passed = clock::now().since(started);
        if passed >= length {
            return Ok(operations as f64 / passed.as_secs_f64());
        }
    }
}

/// The middle one; of an even number, the upper middle. 0 of none.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut []), 0.0);
    }
}
