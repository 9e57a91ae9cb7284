//! Estimates π by throwing points at a square: a tree of tasks that halve their work until it is small enough.
//!
//! ```text
//! cargo run --release --example pi -- --samples 1000000000
//! ```

use clap::Parser;
use mobula::ClusterArgs;
use mobula::prelude::*;
use mobula_examples::Format;
use serde::Serialize;

/// Estimates π on a cluster.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// How many points are thrown.
    #[arg(long, default_value_t = 200_000_000)]
    samples: u64,
    /// How many points one task throws at most.
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    per_task: u64,
    /// The same seed gives the same estimate, wherever the tasks run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How the result is printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Serialize)]
struct Estimate {
    pi: f64,
    samples: u64,
    inside: u64,
}

/// How many of the points from `first` up to `first + samples` lie inside the circle. While it waits for its halves, its
/// CPU is theirs.
#[mobula::remote]
fn inside(seed: u64, first: u64, samples: u64, per_task: u64) -> mobula::Result<u64> {
    if samples <= per_task {
        return Ok(throw(seed, first, samples));
    }
    // Whole tasks on the left, so that the points are split the same way on every level.
    let tasks = samples.div_ceil(per_task);
    let left = (tasks / 2) * per_task;
    let halves = [
        inside::remote(seed, first, left, per_task).submit(),
        inside::remote(seed, first + left, samples - left, per_task).submit(),
    ];
    halves.iter().map(ObjectRef::get_blocking).sum()
}

/// Throws points; each is made from its number alone, so that it does not matter who throws it.
fn throw(seed: u64, first: u64, samples: u64) -> u64 {
    const SCALE: f64 = 1.0 / (1_u64 << 32) as f64;
    let seed = mix(seed);
    let hits = (first..first + samples).filter(|number| {
        let bits = mix(seed ^ *number);
        let (x, y) = ((bits >> 32) as f64 * SCALE, (bits & 0xffff_ffff) as f64 * SCALE);
        x * x + y * y <= 1.0
    });
    hits.count() as u64
}

/// SplitMix64's finaliser: S. Vigna, <https://prng.di.unimi.it/splitmix64.c> (public domain).
fn mix(number: u64) -> u64 {
    let z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[mobula::main]
async fn main() -> mobula::Result<()> {
    let Arguments { cluster, samples, per_task, seed, output } = Arguments::parse();
    let cluster = cluster.connect().await?;
    let inside = inside::remote(seed, 0_u64, samples, per_task).on(&cluster).submit().await?;
    cluster.close().await;

    let pi = if samples == 0 { f64::NAN } else { 4.0 * inside as f64 / samples as f64 };
    let estimate = Estimate { pi, samples, inside };
    match output {
        Format::Json => println!("{}", serde_json::to_string(&estimate).unwrap_or_default()),
        Format::Text => println!("{pi:.6} from {samples} samples"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[mobula::test]
    async fn splitting_changes_nothing(_cluster: Cluster) -> mobula::Result<()> {
        let whole = throw(7, 0, 100_000);
        let split = inside::remote(7_u64, 0_u64, 100_000_u64, 9_999_u64).submit().await?;
        assert_eq!(split, whole);
        assert!((4.0 * whole as f64 / 100_000.0 - std::f64::consts::PI).abs() < 0.05);
        Ok(())
    }
}
