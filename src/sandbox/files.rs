//! Files, by Landlock: the rights of the user stay as they are, and of those only these remain.

use super::{Closed, Needs};
use landlock::{
    ABI, Access, AccessFs, BitFlags, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
    path_beneath_rules,
};

/// The newest Landlock whose rights are known here. An older kernel holds those it has.
const NEWEST: ABI = ABI::V5;

/// Where every Linux keeps what a program reads: libraries, name service, certificates, what the kernel tells.
const MACHINE: [&str; 8] = ["/boot", "/etc", "/lib", "/lib64", "/proc", "/run", "/sys", "/usr"];

/// Where devices are, and the switches of drivers. Who may open which is decided by the groups of their nodes.
const DEVICES: [&str; 2] = ["/dev", "/sys"];

/// Nothing is executed anywhere.
pub(super) fn close(needs: &Needs) -> Result<Closed, RulesetError> {
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = (AccessFs::from_all(NEWEST) & !AccessFs::Execute) & !devices_only();
    let device = read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    let socket = read | AccessFs::MakeSock | AccessFs::RemoveFile;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(MACHINE, read))?
        .add_rules(path_beneath_rules(DEVICES, device))?
        .add_rules(path_beneath_rules(&needs.read, read))?
        .add_rules(path_beneath_rules(&needs.write, write))?
        .add_rules(path_beneath_rules(&needs.sockets, socket))?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Closed::Wholly,
        RulesetStatus::PartiallyEnforced => Closed::Partly,
        RulesetStatus::NotEnforced => Closed::Not("this kernel has no Landlock, or it is switched off".to_owned()),
    })
}

/// What makes or asks a device: never in a directory of data.
fn devices_only() -> BitFlags<AccessFs> {
    AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev
}
