//! Which directories have a watch, and under which number. The kernel speaks in numbers; directories move.

use std::collections::{BTreeMap, HashMap};

use crate::path::RelPath;

/// A directory; none is the root.
pub(super) type Place = Option<RelPath>;

#[derive(Debug, Default)]
pub(super) struct Marks {
    places: HashMap<i32, Place>,
    numbers: BTreeMap<Place, i32>,
}

impl Marks {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// `place` has the watch `number`. The kernel gives one number to one directory, whatever it was called.
    pub(super) fn set(&mut self, number: i32, place: Place) {
        if let Some(before) = self.places.insert(number, place.clone())
            && before != place
            && self.numbers.get(&before) == Some(&number)
        {
            self.numbers.remove(&before);
        }
        if let Some(before) = self.numbers.insert(place, number).filter(|before| *before != number) {
            self.places.remove(&before);
        }
    }

    pub(super) fn place(&self, number: i32) -> Option<&Place> {
        self.places.get(&number)
    }

    /// The kernel has given up `number`.
    pub(super) fn forget(&mut self, number: i32) {
        if let Some(place) = self.places.remove(&number)
            && self.numbers.get(&place) == Some(&number)
        {
            self.numbers.remove(&place);
        }
    }

    /// Forgets `path` and what is beneath it; gives their numbers.
    pub(super) fn take_beneath(&mut self, path: &RelPath) -> Vec<i32> {
        let within = |place: &Place| place.as_ref().is_some_and(|place| place.is_within(path));
        let taken = self.numbers.range(Some(path.clone())..).take_while(|(place, _)| within(place));
        let taken: Vec<i32> = taken.map(|(_, number)| *number).collect();
        for number in &taken {
            self.forget(*number);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::try_from(text).expect("a path")
    }

    #[test]
    fn a_number_has_one_place_and_a_place_one_number() {
        let mut marks = Marks::default();
        marks.set(1, None);
        marks.set(2, Some(path("a")));
        marks.set(3, Some(path("a/b")));
        marks.set(4, Some(path("a-c")));
        assert_eq!(marks.take_beneath(&path("a")), [2, 3]);
        assert_eq!((marks.len(), marks.place(2), marks.place(4)), (2, None, Some(&Some(path("a-c")))));
        // A directory was moved, and the kernel knows it by its number.
        marks.set(4, Some(path("d")));
        assert!(marks.take_beneath(&path("a-c")).is_empty());
        // Another one took its name before anybody noticed.
        marks.set(5, Some(path("d")));
        assert_eq!((marks.place(4), marks.place(5)), (None, Some(&Some(path("d")))));
        marks.forget(4);
        assert_eq!(marks.take_beneath(&path("d")), [5]);
        assert_eq!((marks.len(), marks.place(1)), (1, Some(&None)));
    }
}
