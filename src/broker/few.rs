//! A list that mostly has one element, which then needs no allocation.

/// None, one, or a heap of elements.
#[derive(Clone, Debug, Default)]
pub enum Few<T> {
    /// No element.
    #[default]
    None,
    /// One element, in place.
    One(T),
    /// More.
    Many(Box<Vec<T>>),
}

impl<T> Few<T> {
    /// All elements.
    #[inline]
    pub fn as_slice(&self) -> &[T] {
        match self {
            Few::None => &[],
            Few::One(element) => std::slice::from_ref(element),
            Few::Many(elements) => elements,
        }
    }

    /// All elements, to change them.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            Few::None => &mut [],
            Few::One(element) => std::slice::from_mut(element),
            Few::Many(elements) => elements,
        }
    }

    /// Appends an element.
    pub fn push(&mut self, element: T) {
        *self = match std::mem::take(self) {
            Few::None => Few::One(element),
            Few::One(first) => Few::Many(Box::new(vec![first, element])),
            Few::Many(mut elements) => {
                elements.push(element);
                Few::Many(elements)
            }
        }
    }

    /// Keeps the elements for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        match self {
            Few::None => {}
            Few::One(element) => {
                if !keep(element) {
                    *self = Few::None;
                }
            }
            Few::Many(elements) => {
                elements.retain(keep);
                if elements.is_empty() {
                    *self = Few::None;
                }
            }
        }
    }
}
