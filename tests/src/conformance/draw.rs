//! What is tried of all that could be, where trying it takes a while.

use crate::dice::{self, Dice};
use crate::place::Place;

/// How many cases there are for one that is tried, where not all are.
const ONE_IN: usize = 5;

/// All cases where a call costs nothing; where it is a round trip some of them, others with every run.
pub(super) struct Draw(Option<Dice>);

impl Draw {
    pub(super) fn of(place: &Place) -> Self {
        Self(place.is_far().then(|| Dice::new(dice::seed())))
    }

    /// Those of `cases` that are to be tried: at least one, if there are any.
    pub(super) fn of_all<T>(&mut self, mut cases: Vec<T>) -> Vec<T> {
        let Some(dice) = &mut self.0 else { return cases };
        let few = cases.len().div_ceil(ONE_IN);
        (0..few).map(|_| cases.swap_remove(dice.below(cases.len()))).collect()
    }

    /// How far it is to the next case, where nobody knows how many there are.
    pub(super) fn stride(&mut self) -> usize {
        self.0.as_mut().map_or(1, |dice| 1 + dice.below(2 * ONE_IN - 1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::place::Wrapper;

    #[test]
    fn near_everything_is_tried() {
        let mut draw = Draw::of(&Place::memory(Wrapper::Bare));
        assert_eq!(draw.of_all((0..10).collect()), (0..10).collect::<Vec<_>>());
        assert_eq!(draw.stride(), 1);
    }

    #[test]
    fn far_one_in_five_is_tried_and_each_has_its_turn() {
        let (mut seen, mut strides) = (BTreeSet::new(), BTreeSet::new());
        for seed in 0..200 {
            let mut draw = Draw(Some(Dice::new(seed)));
            let drawn: BTreeSet<usize> = draw.of_all((0..10).collect()).into_iter().collect();
            assert_eq!((drawn.len(), draw.of_all(vec![1]), draw.of_all::<u8>(Vec::new())), (2, vec![1], vec![]));
            seen.extend(drawn);
            strides.insert(draw.stride());
        }
        assert_eq!((seen, strides), ((0..10).collect(), (1..10).collect()));
    }
}
