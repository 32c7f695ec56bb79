//! What the machine has left: memory of the process and of the system, and room on a disk.

use std::fs;
use std::path::Path;

/// Memory as the system tells it now, in bytes; what it does not tell is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Of the machine, or of the container that the process is in.
    pub total: Option<u64>,
    /// What could be taken beside what is taken already.
    pub available: Option<u64>,
    /// What this process has.
    pub resident: Option<u64>,
}

impl Memory {
    /// Asks the system, which tells on Linux.
    pub fn now() -> Self {
        let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let (limit, left) = container();
        let least = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
        Self {
            total: least(kibibytes(&text, "MemTotal"), limit),
            available: least(kibibytes(&text, "MemAvailable"), left),
            resident: of_process("VmRSS"),
        }
    }

    /// All that this process could have, in bytes.
    pub fn for_process(&self) -> Option<u64> {
        Some(self.available? + self.resident?)
    }
}

/// The most memory that this process has had, in bytes; `None` where the system does not tell.
pub fn peak_memory() -> Option<u64> {
    of_process("VmHWM")
}

/// The free space in bytes on the disk of a path, of which only the first folders may be there yet; `None` where the system
/// does not tell.
pub fn free_space(path: &Path) -> Option<u64> {
    let path = std::path::absolute(path).ok()?;
    let there = path.ancestors().find(|folder| folder.exists())?;
    fs4::available_space(there).ok()
}

fn of_process(name: &str) -> Option<u64> {
    kibibytes(&fs::read_to_string("/proc/self/status").ok()?, name)
}

/// The value of a line `name: 123 kB`, in bytes.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = pairs.find(|(key, _)| key.trim() == name)?;
    let value = value.trim().strip_suffix("kB")?;
    value.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The memory that a container of Linux may have, and what is left of it. The cache of files counts as left, because the
/// system drops it when memory is asked for.
fn container() -> (Option<u64>, Option<u64>) {
    const PLACES: [[&str; 3]; 2] = [
        [
            "/sys/fs/cgroup/memory.max",
            "/sys/fs/cgroup/memory.current",
            "/sys/fs/cgroup/memory.stat",
        ],
        [
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
            "/sys/fs/cgroup/memory/memory.stat",
        ],
    ];
    /// What stands for no limit is larger than this.
    const NO_LIMIT: u64 = 1 << 60;
    let number = |path: &str| -> Option<u64> { fs::read_to_string(path).ok()?.trim().parse().ok() };
    let of = |[limit, used, stat]: [&str; 3]| {
        let limit = number(limit).filter(|limit| *limit < NO_LIMIT)?;
        let cache = fs::read_to_string(stat).ok().and_then(|text| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("inactive_file "));
            line?.trim().parse::<u64>().ok()
        });
        let used = number(used)?.saturating_sub(cache.unwrap_or(0));
        Some((Some(limit), Some(limit.saturating_sub(used))))
    };
    PLACES.into_iter().find_map(of).unwrap_or((None, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "MemTotal:       24605276 kB\nMemTotalX: 1 kB\nVmHWM:\t  12 kB\n";
        assert_eq!(kibibytes(text, "MemTotal"), Some(24_605_276 * 1024));
        assert_eq!(kibibytes(text, "VmHWM"), Some(12 * 1024));
        assert_eq!(kibibytes(text, "Mem"), None);
    }

    #[test]
    fn a_folder_that_is_not_there_yet_has_the_space_of_the_disk_where_it_would_be() {
        let folder = std::env::temp_dir();
        let inside = folder.join("sslight-not-there").join("runs");
        let (there, later) = (free_space(&folder), free_space(&inside));
        assert!(there.is_some_and(|bytes| bytes > 0));
        // Others write to the disk in between.
        let both = there.zip(later).map(|(a, b)| a.abs_diff(b));
        assert!(both.is_some_and(|difference| difference < 1 << 30));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_tells_of_process_and_machine() {
        let memory = Memory::now();
        assert!(memory.resident.is_some_and(|bytes| bytes > 1 << 20));
        assert!(peak_memory() >= memory.resident);
        assert!(memory.available <= memory.total);
    }
}
