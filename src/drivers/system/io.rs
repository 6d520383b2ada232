//! What the kernel tells of the machine.

use crate::drivers::polled::Files;
use std::path::Path;

/// Files below the root, by the names that `channels` knows. Those that a machine does not have are left out.
const FILES: &[(&str, &str)] = &[
    ("temperature", "sys/class/thermal/thermal_zone0/temp"),
    ("throttled", "sys/devices/platform/soc/soc:firmware/get_throttled"),
    ("loadavg", "proc/loadavg"),
    ("meminfo", "proc/meminfo"),
    ("uptime", "proc/uptime"),
    ("card", "sys/block/mmcblk0/stat"),
];

/// Reads all there is. `disk` is a directory on the disk whose space counts.
pub(super) fn read(root: &Path, disk: &Path) -> Files {
    let text = |path: &str| std::fs::read_to_string(root.join(path)).ok();
    let mut files: Files = FILES.iter().filter_map(|(name, path)| Some(((*name).to_owned(), text(path)?))).collect();
    if let Ok(space) = nix::sys::statvfs::statvfs(disk) {
        let blocks = |count: u64| count.saturating_mul(space.fragment_size());
        let space = format!("{} {}", blocks(space.blocks()), blocks(space.blocks_available()));
        files.insert("disk".to_owned(), space);
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_load_and_a_disk() {
        let files = read(Path::new("/"), Path::new("/"));
        assert!(files.contains_key("loadavg") && files.contains_key("disk"), "{files:?}");
    }
}
