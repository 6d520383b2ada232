//! Outputs of which at most one is on, whatever devices and drivers they belong to.
//!
//! One machine for the whole house: every device tells it where its outputs stand and asks it before one goes on. An
//! output nobody has told of counts as on: what is not known to be off cannot be relied on.

use crate::base::Moment;
use std::collections::BTreeMap;
use std::time::Duration;

/// Outputs of which at most one is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interlock {
    /// The outputs that exclude each other, as `DEVICE/OUTPUT`.
    pub outputs: Vec<String>,
    /// How long all of them are off before another goes on.
    pub dead_time: Duration,
}

/// Where an output stands, for those that exclude it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is on, is to go on, or nothing is known of it.
    On,
    /// It is to go off, and is not known to be.
    Leaving,
    /// It is known to be off since then, and nothing is on its way that could change that.
    Off {
        /// Since when.
        since: Moment,
    },
}

/// All interlocks of a house, and where their outputs stand.
#[derive(Clone, Debug, Default)]
pub struct Interlocks {
    groups: Vec<Interlock>,
    /// Every output that is in a group.
    standings: BTreeMap<String, Standing>,
}

impl Interlocks {
    /// Interlocks of outputs of which nothing is known.
    pub fn new(groups: Vec<Interlock>) -> Self {
        let mut interlocks = Self::default();
        interlocks.replace(groups);
        interlocks
    }

    /// Puts other interlocks in the place of these. What is known of an output stays known.
    pub fn replace(&mut self, groups: Vec<Interlock>) {
        let names = groups.iter().flat_map(|group| &group.outputs);
        let known = |name: &String| (name.clone(), self.standings.get(name).copied().unwrap_or(Standing::On));
        self.standings = names.map(known).collect();
        self.groups = groups;
    }

    /// Takes note of where an output stands; whether others may now do what they could not.
    pub fn tell(&mut self, output: &str, standing: Standing) -> bool {
        match self.standings.get_mut(output) {
            Some(known) => {
                let eased = *known != standing && matches!(standing, Standing::Off { .. });
                *known = standing;
                eased
            }
            None => false,
        }
    }

    /// An output that keeps this one from going on: one that is on and is not to go off.
    pub fn blocking<'i>(&'i self, output: &'i str) -> Option<&'i str> {
        self.others(output).find(|(other, _)| self.standing(other) == Standing::On).map(|(other, _)| other)
    }

    /// From when this output may go on; `None` while another one is not known to be off.
    pub fn free_from(&self, output: &str) -> Option<Moment> {
        self.others(output).try_fold(Moment::START, |from, (other, dead_time)| match self.standing(other) {
            Standing::Off { since } => Some(from.max(since + dead_time)),
            Standing::On | Standing::Leaving => None,
        })
    }

    /// The outputs that exclude this one, each once.
    pub fn excluded_by<'i>(&'i self, output: &'i str) -> Vec<&'i str> {
        let mut others: Vec<&str> = self.others(output).map(|(other, _)| other).collect();
        others.sort_unstable();
        others.dedup();
        others
    }

    fn standing(&self, output: &str) -> Standing {
        self.standings.get(output).copied().unwrap_or(Standing::On)
    }

    /// Every other output of every group of this one, with the group's dead time.
    fn others<'o>(&'o self, output: &'o str) -> impl Iterator<Item = (&'o str, Duration)> + 'o {
        let groups = self.groups.iter().filter(move |group| group.outputs.iter().any(|member| member == output));
        groups.flat_map(move |group| {
            let others = group.outputs.iter().filter(move |member| *member != output);
            others.map(|member| (member.as_str(), group.dead_time))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::from_micros(milliseconds * 1000)
    }

    fn interlocks() -> Interlocks {
        let group = |outputs: [&str; 2], milliseconds| Interlock {
            outputs: outputs.map(str::to_owned).to_vec(),
            dead_time: Duration::from_millis(milliseconds),
        };
        Interlocks::new(vec![group(["blind/up", "blind/down"], 500), group(["blind/up", "shed/motor"], 2000)])
    }

    #[test]
    fn what_nobody_told_of_blocks() {
        let mut all = interlocks();
        assert_eq!(all.blocking("blind/down"), Some("blind/up"));
        assert!(all.tell("blind/up", Standing::Off { since: at(0) }));
        assert_eq!((all.blocking("blind/down"), all.free_from("blind/down")), (None, Some(at(500))));
        assert_eq!((all.blocking("lamp/light"), all.free_from("lamp/light")), (None, Some(at(0))));
    }

    #[test]
    fn the_longest_dead_time_of_all_groups_counts() {
        let mut all = interlocks();
        all.tell("blind/down", Standing::Off { since: at(100) });
        all.tell("shed/motor", Standing::Leaving);
        assert_eq!((all.blocking("blind/up"), all.free_from("blind/up")), (None, None));
        assert!(all.tell("shed/motor", Standing::Off { since: at(300) }));
        assert!(!all.tell("shed/motor", Standing::Off { since: at(300) }));
        assert_eq!(all.free_from("blind/up"), Some(at(2300)));
        assert_eq!(all.excluded_by("blind/up"), ["blind/down", "shed/motor"]);
    }

    #[test]
    fn other_interlocks_keep_what_is_known() {
        let mut all = interlocks();
        all.tell("blind/down", Standing::Off { since: at(100) });
        let outputs = vec!["blind/down".to_owned(), "new/one".to_owned()];
        all.replace(vec![Interlock { outputs, dead_time: Duration::ZERO }]);
        assert_eq!(all.free_from("new/one"), Some(at(100)));
        assert_eq!(all.blocking("blind/down"), Some("new/one"));
    }
}
