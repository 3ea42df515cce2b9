//! Who the hub is. An empty or missing place is never taken for an empty hub.

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::HubId;

use super::format::{Format, MAX_FORMAT};
use super::layout;
use crate::storage::{Placed, Probe, Storage};

/// Names that may stand in an otherwise empty place: what mounting and a broken-off `init` leave.
const HARMLESS: [&[u8]; 3] = [b"lost+found", b"tmp", b".snapshot"];

/// Reads `FORMAT`. Without it there is no hub.
pub(super) fn read(cx: &Context, storage: &dyn Storage) -> Result<Format> {
    match storage.find(cx, &layout::format(), MAX_FORMAT)? {
        Some(bytes) => Format::parse(&bytes).map_err(|error| error.op(format!("open the hub {}", storage.endpoint()))),
        None => Err(Error::new(ErrorKind::NotFound, "there is no hub here")
            .at(storage.endpoint())
            .hint("is it mounted, and is the address right? `depsync init` or a first `publish` makes a hub of an empty directory")),
    }
}

/// Makes sure that this still is the hub `id`.
pub(super) fn confirm(cx: &Context, storage: &dyn Storage, id: HubId) -> Result<Format> {
    let format = read(cx, storage)?;
    if format.hub == id { Ok(format) } else { Err(foreign(storage, id, format.hub)) }
}

/// Gives the hub `id` the features of a new one, and says which it lacked. Readers see the old `FORMAT` or the new one.
pub(super) fn upgrade(cx: &Context, storage: &dyn Storage, id: HubId) -> Result<Vec<String>> {
    let lacked = confirm(cx, storage, id)?.lacks();
    if !lacked.is_empty() {
        let bytes = Format::upgraded(&storage.get(cx, &layout::format(), MAX_FORMAT)?)?;
        cx.step("hub.format");
        storage.replace(cx, &layout::format(), &bytes)?;
    }
    Ok(lacked)
}

fn foreign(storage: &dyn Storage, known: HubId, found: HubId) -> Error {
    Error::new(ErrorKind::Refused, format!("this is the hub {found}, not {known} that was opened"))
        .at(storage.endpoint())
        .hint("another directory is mounted here")
}

/// Makes a hub of an empty place, or finds that somebody was faster. Says whether this call made it.
pub(super) fn create(cx: &Context, storage: &dyn Storage) -> Result<(Format, bool)> {
    storage.make(cx)?;
    if let Some(bytes) = storage.find(cx, &layout::format(), MAX_FORMAT)? {
        return Ok((Format::parse(&bytes)?, false));
    }
    let there = storage.list(cx, None, 1000);
    let there = there.map_err(|error| if error.kind() == ErrorKind::Refused { not_empty(storage) } else { error })?;
    if there.iter().any(|listed| !HARMLESS.contains(&listed.name.as_slice())) {
        // Between our two looks somebody else may have made a hub of it.
        let format = storage.find(cx, &layout::format(), MAX_FORMAT)?.ok_or_else(|| not_empty(storage))?;
        return Ok((Format::parse(&format)?, false));
    }
    let probe = storage.probe(cx)?;
    if !probe.exclusive {
        return Err(Error::new(ErrorKind::Unsupported, refused(&probe)).at(storage.endpoint()));
    }
    let format = Format::new(HubId::random()?);
    cx.step("hub.format");
    match storage.create_exclusive(cx, &layout::format(), &format.to_bytes()?)? {
        Placed::Created => Ok((format, true)),
        Placed::Existed | Placed::Swept => Ok((read(cx, storage)?, false)),
    }
}

/// Why a place without exclusive creation cannot be published to.
pub(super) fn refused(probe: &Probe) -> String {
    if let Some(why) = &probe.refused {
        why.clone()
    } else if probe.writable {
        "its file system has no hard links, without which two publishers could not be told apart".to_owned()
    } else {
        "this process may not write there".to_owned()
    }
}

fn not_empty(storage: &dyn Storage) -> Error {
    Error::new(ErrorKind::Refused, "the place is not empty and not a hub")
        .at(storage.endpoint())
        .hint("give an empty directory; what is there may be somebody else's")
}
