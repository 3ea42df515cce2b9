//! The staged files that are being written piece by piece: a bounded number of them held open.

use std::collections::HashSet;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;

use super::Staging;
use super::contents::Content;

/// How many staged files are held open.
const HELD: usize = 32;

/// Open staged files, the one used last at the end.
#[derive(Default)]
pub(super) struct Handles(Mutex<Held>);

#[derive(Default)]
struct Held {
    open: Vec<(u32, Arc<File>)>,
    created: HashSet<u32>,
}

impl Handles {
    /// The staged file of content number `index`, made on first use.
    pub(super) fn get(&self, index: u32, content: &Content, tag: usize, staging: &dyn Staging) -> Result<Arc<File>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = held.open.iter().position(|(known, _)| *known == index) {
            let found = held.open.remove(at);
            let file = Arc::clone(&found.1);
            held.open.push(found);
            return Ok(file);
        }
        let file = if held.created.contains(&index) {
            staging.reopen(tag)?
        } else {
            let file = staging.create(tag, content.size)?;
            held.created.insert(index);
            file
        };
        let file = Arc::new(file);
        if held.open.len() == HELD {
            held.open.remove(0);
        }
        held.open.push((index, Arc::clone(&file)));
        Ok(file)
    }

    /// Closes all.
    pub(super) fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).open.clear();
    }
}
