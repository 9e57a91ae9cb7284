//! `mobula bench`: the micro-benchmarks, and the floors measured in the same run.

pub(crate) mod floors;
mod progress;
mod trial;
pub(crate) async fn run() -> anyhow::Result<floors::Floors> {
    floors::measure(trial::TrialPlan::default(), &progress::Progress::start()).await
}
