//! What processes use.

use super::ProcessIdentity;
use std::collections::{BTreeMap, BTreeSet};

/// A process and all that it started, and those started, and so on, as of now; the given ones included.
pub(crate) fn with_descendants(roots: &[u32]) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for pid in running() {
        if let Some(parent) = ProcessIdentity::parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found: BTreeSet<u32> = BTreeSet::new();
    let mut next: Vec<u32> = roots.to_vec();
    while let Some(pid) = next.pop() {
        if found.insert(pid) {
            next.extend(children.get(&pid).into_iter().flatten());
        }
    }
    found.into_iter().collect()
}

fn running() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// The memory of a process that is in RAM, in bytes, what it shares with others included. 0 when it is gone.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return 0 };
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// The CPU time that these processes have used, in seconds.
pub(crate) fn cpu_seconds(pids: &[u32]) -> f64 {
    pids.iter().filter_map(|pid| ProcessIdentity::cpu_seconds(*pid)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory_and_is_its_own_descendant() {
        let own = std::process::id();
        assert!(resident_bytes(own) > 100_000);
        assert!(with_descendants(&[own]).contains(&own));
        assert_eq!(resident_bytes(u32::MAX), 0);
    }
}
