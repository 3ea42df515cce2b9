//! Moving what is agreed on, and what is known with it, in memory: a settlement writes it down.

use crate::error::Result;
use crate::hash::Digest;
use crate::packed::Packed;
use crate::plan::Agreed;
use crate::revdb::Position;
use crate::tree::{self, MemoryPages, Overlay, Tree};

/// Moves both trees of a position: these paths have been measured here.
pub(super) fn agree(position: &mut Position, moved: &Packed<Agreed>, pages: &mut Overlay<'_>) -> Result<()> {
    let agreement = edited(position.agreement, moved, pages)?;
    let known = match position.known {
        None => agreement,
        Some(known) => edited(known, moved, pages)?,
    };
    position.agree(agreement, known);
    Ok(())
}

/// Moves what is known alone: these paths are ghosts, or were.
pub(super) fn know(position: &mut Position, moved: &Packed<Agreed>, pages: &mut Overlay<'_>) -> Result<()> {
    let known = edited(position.known(), moved, pages)?;
    position.agree(position.agreement, known);
    Ok(())
}

/// Moves what is agreed on alone: these paths have become ghosts.
pub(super) fn forsake(position: &mut Position, moved: &Packed<Agreed>, pages: &mut Overlay<'_>) -> Result<()> {
    let agreement = edited(position.agreement, moved, pages)?;
    position.agree(agreement, position.known());
    Ok(())
}

fn edited(root: Digest, moved: &Packed<Agreed>, pages: &mut Overlay<'_>) -> Result<Digest> {
    let mut fresh = MemoryPages::default();
    let root = tree::edit(Tree::new(pages, root), moved.iter().map(Ok), &mut fresh)?;
    pages.absorb(fresh)?;
    Ok(root)
}
