//! This process, as the operating system sees it.

use rustix::{
    process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit},
    time::{ClockId, clock_gettime},
};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The resources that a party's process has used since its start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// CPU time of all its threads, user and system.
    pub cpu_seconds: f64,
    /// Its largest resident set, in MB of 10^6 bytes.
    pub peak_rss_mb: f64,
}

impl Usage {
    /// The usage so far.
    pub(crate) fn so_far() -> Usage {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        // Not getrusage: its maximum starts with what the parent had in memory when it forked.
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = peak.and_then(|peak| peak.split_whitespace().next()?.parse::<f64>().ok());
        Usage {
            cpu_seconds: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            peak_rss_mb: kibibytes.unwrap_or(0.0) * 1024.0 / 1e6,
        }
    }
}

/// Keeps this process's memory off the disk and away from other processes of the same user: it
/// holds shares, masks and keys.
///
/// # Errors
/// [`Error::Run`] if the operating system refuses.
pub(crate) fn forbid_dumps() -> Result<()> {
    let refused = |error| Error::Run(format!("cannot switch core dumps off: {error}"));
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(refused)?;
    // The limit alone does not stop a kernel that pipes dumps to a collector.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(refused)
}

/// Keeps freed memory in the process instead of returning it to the kernel, which would clear and
/// map it anew for the next message: page faults were a quarter of a run's CPU time. It costs the
/// memory that the process once had in use, which the window of chunks bounds.
///
/// Without effect except with GNU's allocator, whose defaults are meant for fewer and smaller
/// blocks.
pub(crate) fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (parameter, bytes) in
        [(libc::M_MMAP_THRESHOLD, 32 << 20), (libc::M_TRIM_THRESHOLD, 256 << 20)]
    {
        // SAFETY: `mallopt` takes two integers and locks what it changes; it refuses what it does
        // not like, and then everything stays as it is.
        unsafe { libc::mallopt(parameter, bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_grows_from_something() {
        let usage = Usage::so_far();
        assert!(usage.cpu_seconds > 0.0 && usage.peak_rss_mb > 0.5, "{usage:?}");
    }

    #[test]
    fn dumps_can_be_forbidden() {
        forbid_dumps().unwrap();
        assert_eq!(rustix::process::getrlimit(Resource::Core).maximum, Some(0));
    }
}
