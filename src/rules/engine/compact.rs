//! Shapes that take little memory where there is little to hold: a house may have thousands of rules.

use std::ops::{Deref, DerefMut};

/// Something that has a value which stands for nothing.
pub(super) trait Empty: Default + 'static {
    /// That value.
    const EMPTY: &'static Self;
}

/// What most rules do not have. Reading takes nothing; changing it makes room.
#[derive(Clone, Debug)]
pub(super) struct Seldom<T>(Option<Box<T>>);

impl<T> Seldom<T> {
    /// To be changed where there is something to change.
    pub(super) fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }
}

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Empty> Deref for Seldom<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::EMPTY)
    }
}

impl<T: Empty> DerefMut for Seldom<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

/// Lists by number, one behind the other.
#[derive(Debug)]
pub(super) struct Lists<T> {
    ends: Box<[u32]>,
    all: Box<[T]>,
}

impl<T> Lists<T> {
    /// The list of a number.
    pub(super) fn of(&self, index: u16) -> &[T] {
        let index = usize::from(index);
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.all[start as usize..self.ends[index] as usize]
    }
}

impl<T> FromIterator<Vec<T>> for Lists<T> {
    fn from_iter<I: IntoIterator<Item = Vec<T>>>(lists: I) -> Self {
        let (mut ends, mut all) = (Vec::new(), Vec::new());
        for list in lists {
            all.extend(list);
            ends.push(all.len() as u32);
        }
        Self { ends: ends.into(), all: all.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Empty for u64 {
        const EMPTY: &'static Self = &0;
    }

    #[test]
    fn what_is_seldom_takes_room_only_once_it_is_changed() {
        let mut seldom = Seldom::<u64>::default();
        assert_eq!((*seldom, seldom.get_mut()), (0, None));
        *seldom += 3;
        assert_eq!((*seldom, seldom.get_mut()), (3, Some(&mut 3)));
    }

    #[test]
    fn each_number_has_its_list() {
        let lists: Lists<u8> = [vec![1, 2], vec![], vec![3]].into_iter().collect();
        assert_eq!([lists.of(0), lists.of(1), lists.of(2)], [&[1, 2][..], &[], &[3]]);
    }
}
