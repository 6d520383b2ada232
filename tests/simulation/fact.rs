//! Something that is kept: what it is now, and what a power cut may turn it into.

/// A value with everything that the card may hold of it: the last confirmed value and those after it.
#[derive(Clone, Debug)]
pub struct Fact<T> {
    now: T,
    /// With the numbers of the changes that made them, ascending.
    candidates: Vec<(u64, T)>,
}

impl<T: Clone + PartialEq> Fact<T> {
    pub fn new(value: T) -> Self {
        Self { now: value.clone(), candidates: vec![(0, value)] }
    }

    pub fn now(&self) -> &T {
        &self.now
    }

    pub fn set(&mut self, change: u64, value: T) {
        self.now = value.clone();
        self.candidates.push((change, value));
    }

    /// A change was not taken after all.
    pub fn undo(&mut self, change: u64) {
        self.candidates.retain(|(made, _)| *made != change);
        if let Some((_, last)) = self.candidates.last() {
            self.now = last.clone();
        }
    }

    /// The gateway said that this change is safe.
    pub fn confirm(&mut self, change: u64) {
        if self.candidates.iter().any(|(made, _)| *made == change) {
            self.candidates.retain(|(made, _)| *made >= change);
        }
    }

    /// The power was cut, and this is on the card. Tells whether that keeps the promise.
    pub fn found(&mut self, value: T) -> bool {
        let is_kept = self.candidates.iter().any(|(_, candidate)| *candidate == value);
        *self = Self::new(value);
        is_kept
    }
}

#[test]
fn a_confirmed_value_may_only_give_way_to_later_ones() {
    let mut fact = Fact::new(0);
    fact.set(1, 10);
    fact.set(2, 20);
    assert!(fact.clone().found(0) && fact.clone().found(10) && fact.clone().found(20));
    fact.confirm(1);
    assert!(!fact.clone().found(0) && fact.clone().found(10) && fact.found(20));
    assert_eq!(*fact.now(), 20);
}
