//! What this machine has.

use mobula_types::{Quantity, Resources};
use std::fs;

/// Logical CPUs that this process may use.
pub(crate) fn cpus() -> u64 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as u64)
}

/// Bytes of memory: the machine's, or the limit of the control group that this process is in, whichever is less.
pub(crate) fn memory() -> u64 {
    let machine =
        fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_of(&text)).unwrap_or(1 << 30);
    let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limits = group.iter().filter_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    limits.min().map_or(machine, |limit| limit.min(machine))
}

fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// The machine's host name, for a node's default name.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// What a node offers: what its options say, and for the rest what the machine has.
pub(crate) fn resources(options: &crate::NodeOptions) -> Resources {
    let memory = options.memory.unwrap_or_else(|| memory() / 10 * 7);
    Resources {
        cpu: options.num_cpus.unwrap_or_else(|| Quantity::whole(cpus())),
        gpu: options.num_gpus,
        memory: Quantity::whole(memory),
        custom: options.resources.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_measured() {
        assert!(cpus() >= 1);
        assert!(memory() > 64 << 20);
        assert_eq!(total_of("MemTotal:       16 kB\nMemFree: 1 kB"), Some(16 * 1024));
        assert!(!host_name().is_empty());
    }
}
