//! What this machine has, as far as this process may use it.

use mobula_types::{Quantity, Resources};
use std::fs;
use std::path::{Path, PathBuf};

/// Logical CPUs that this process may use.
pub fn cpus() -> u64 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as u64)
}

/// Bytes of memory: the machine's, or the lowest limit of the control groups that this process is in, whichever is less.
pub fn memory() -> u64 {
    let machine =
        fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_of(&text)).unwrap_or(1 << 30);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    limit_files(&groups).into_iter().filter_map(limit).min().map_or(machine, |limit| limit.min(machine))
}

/// The files with the limits of the groups that `/proc/self/cgroup` names, and of those around them.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (root, file) = if controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            continue;
        };
        let group = Path::new(group.trim_start_matches('/'));
        // The last one is empty: the root, which in a container is the container's own group.
        files.extend(group.ancestors().map(|group| Path::new(root).join(group).join(file)));
    }
    files
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
    fn limits_are_those_of_the_own_groups_and_all_around_them() {
        let paths =
            |groups| limit_files(groups).iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        let own = ["/sys/fs/cgroup/a.slice/b/memory.max", "/sys/fs/cgroup/a.slice/memory.max"];
        assert_eq!(paths("0::/a.slice/b\n"), [own[0], own[1], "/sys/fs/cgroup/memory.max"]);
        assert_eq!(paths("0::/\n"), ["/sys/fs/cgroup/memory.max"]);
        let old = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
        assert_eq!(paths("5:cpu,cpuacct:/x\n4:hugetlb,memory:/\n"), [old]);
        assert_eq!(paths("nonsense\n0:"), [""; 0]);
    }

    #[test]
    fn the_machine_is_measured() {
        assert!(cpus() >= 1);
        assert!(memory() > 64 << 20);
        assert_eq!(total_of("MemTotal:       16 kB\nMemFree: 1 kB"), Some(16 * 1024));
        assert!(!host_name().is_empty());
    }
}
