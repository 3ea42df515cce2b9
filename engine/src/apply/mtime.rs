//! Which modification time a file gets when it changes.
//!
//! Application servers redeploy when the modification time differs, compare it in whole seconds, never look at
//! content, and ignore a change whose time lies in the future until that time has come. So a changed file gets the
//! newest second, not in the future, that this path did not have lately: v1, v2 and v1 again are three times.

/// The newest whole second not after `now` that is not among `lately`.
pub fn choose(now: i64, lately: &[i64]) -> i64 {
    // Among n + 1 candidates one is not taken by n times.
    let candidates = (0..=lately.len() as i64).map(|back| now - back);
    candidates.into_iter().find(|second| !lately.contains(second)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_in_the_future_never_used_lately_and_as_new_as_possible(
            now in -5i64..5, lately in proptest::collection::vec(-8i64..8, 0..9)
        ) {
            let chosen = choose(now, &lately);
            prop_assert!(chosen <= now && !lately.contains(&chosen));
            prop_assert!((chosen + 1..=now).all(|newer| lately.contains(&newer)));
        }
    }
}
