//! What is the same for all nodes that stand at one revision, and where nobody else has changed anything: which paths a
//! push looks at, and what it does there. Both are worked out for the first such node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;
use crate::hash::Digest;
use crate::packed::Packed;
use crate::plan::Application;
use crate::push::Survey;

/// Things that are worked out once for each base.
pub(super) struct Once<T>(Mutex<HashMap<Digest, Arc<T>>>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Once<T> {
    /// What was worked out for `base`; whoever comes meanwhile waits.
    pub(super) fn get(&self, base: Digest, work_out: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&base) {
            return Ok(Arc::clone(known));
        }
        let new = Arc::new(work_out()?);
        known.insert(base, Arc::clone(&new));
        Ok(new)
    }
}

/// What nodes of one base have in common.
#[derive(Default)]
pub(super) struct Undisturbed {
    /// What is in question.
    pub(super) surveys: Once<Survey>,
    /// What is to be changed.
    pub(super) plans: Once<Packed<Application>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};

    #[test]
    fn it_is_worked_out_once_for_each_base_and_again_after_a_failure() {
        let once = Once::default();
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        assert!(once.get(one, || Err(Error::new(ErrorKind::Io, "no"))).is_err());
        assert_eq!(*once.get(one, || Ok(1)).expect("works"), 1);
        assert_eq!(*once.get(one, || Ok(9)).expect("works"), 1);
        assert_eq!(*once.get(two, || Ok(2)).expect("works"), 2);
    }
}
