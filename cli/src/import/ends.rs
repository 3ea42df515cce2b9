//! The two ends of a script's rsync: the directory that is sent, and the nodes that it goes to.
//!
//! A slash at the end of the source decides what a destination is: with it the contents go there, without it a directory of
//! the source's name is made inside.

use std::path::{Component, Path, PathBuf};

use depsync_engine::error::{Error, Result};

use super::rsync::Transfer;
use super::script::{Call, Field, Loop, Outline, Piece, Source};
use super::{Remark, Request, tidy, usage};

/// The call that sends something to nodes, or the first one.
pub(super) fn call_of<'a>(outline: &'a Outline, script: &Path) -> Result<&'a Call> {
    let sends = |call: &&Call| {
        let far =
            |piece: &Piece| matches!(piece, Piece::Each(_)) || matches!(piece, Piece::Text(text) if text.contains(':'));
        call.arguments.last().is_some_and(|last| last.pieces.iter().any(far))
    };
    outline.calls.iter().find(sends).or(outline.calls.first()).ok_or_else(|| {
        let error = usage("no rsync is started there").at(script.display());
        match outline.unclosed {
            Some(line) => {
                error.hint(format!("a quote or bracket in line {line} is not closed; look whether the script works"))
            }
            None => error.hint("give the script that starts rsync for each node, not the crontab or what calls it"),
        }
    })
}

/// The directory, and whether rsync would have made one of its name inside the destinations.
pub(super) fn directory(
    request: &Request,
    call: &Call,
    transfer: &mut Transfer,
    place: &dyn Fn(usize) -> String,
) -> Result<(PathBuf, bool)> {
    let at = |error: Error| error.at(place(call.line)).hint("name the directory: --dir DIR");
    let source = match transfer.sources.as_slice() {
        [source] => source,
        [] => return Err(at(usage("rsync is told no directory to send"))),
        _ => return Err(at(usage("rsync is told several directories to send"))),
    };
    // The slash decides, and it is there also where what stands before it is not understood.
    let last = match source.pieces.last() {
        Some(Piece::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    let contents = last.map(|text| text.ends_with('/') || text.ends_with("/.") || text.ends_with("/*") || text == ".");
    let understood = source.text().map(|text| {
        let stars = text.strip_suffix("/*").map(|before| format!("{before}/"));
        if stars.is_some() {
            let what = "rsync left out names that begin with a dot (`/*`); a push does not";
            transfer.remarks.push(Remark { line: source.line, what: what.to_owned() });
        }
        stars.unwrap_or(text)
    });
    let dir = match (&request.dir, understood) {
        (Some(dir), _) => dir.clone(),
        (None, None) => {
            return Err(at(usage(format!("the directory is not understood: {}", source.shown()))));
        }
        (None, Some(text)) => {
            if text.split('/').next().unwrap_or_default().contains(':') {
                return Err(at(usage("the script fetches from another host; a push sends from this one")));
            }
            let path = if text.starts_with('/') {
                Some(PathBuf::from(&text))
            } else {
                call.cwd.as_ref().map(|cwd| cwd.join(&text))
            };
            path.ok_or_else(|| at(usage(format!("{text} is relative, and to what is not known"))))?
        }
    };
    let dir = tidy(&dir);
    if dir.file_name().is_none() || dir.components().any(|part| part == Component::ParentDir) {
        return Err(at(usage(format!("not a directory to deploy: {}", dir.display()))));
    }
    if !dir.is_dir() {
        let what = format!("{} is not there, or no directory, on this machine", dir.display());
        transfer.remarks.push(Remark { line: source.line, what });
    }
    if contents.is_none() {
        let what = "whether the directory ended in a slash is not known; taken as if it did";
        transfer.remarks.push(Remark { line: source.line, what: what.to_owned() });
    }
    Ok((dir, contents == Some(false)))
}

/// Where the nodes come from, how an address is made of one, and the line that says so.
pub(super) fn destination(
    request: &Request,
    outline: &Outline,
    call: &Call,
    transfer: &Transfer,
    place: &dyn Fn(usize) -> String,
) -> Result<(Source, Field, Option<usize>)> {
    let missing =
        |what: String, line: usize| usage(what).at(place(line)).hint("name the list of the nodes: --list FILE");
    let each = |line: usize| Field { pieces: vec![Piece::Each(0)], line };
    let far = transfer.destination.clone().unwrap_or(Field { pieces: Vec::new(), line: call.line });
    let number = far.pieces.iter().find_map(|piece| if let Piece::Each(number) = piece { Some(*number) } else { None });
    let understood = far.pieces.iter().all(|piece| match piece {
        Piece::Text(_) => true,
        Piece::Each(found) => Some(*found) == number,
        Piece::List(_) | Piece::Unknown(_) => false,
    });
    if let Some(list) = &request.list {
        let destination = if number.is_some() && understood { far } else { each(call.line) };
        return Ok((Source::File(list.clone()), destination, None));
    }
    match number.filter(|_| understood).map(|number| &outline.loops[number]) {
        Some(Loop { source: Source::Unknown(shown), line }) => {
            Err(missing(format!("the list of the nodes is not understood: {shown}"), *line))
        }
        Some(Loop { source, line }) => Ok((source.clone(), far, Some(*line))),
        None => match far.text() {
            Some(text) if text.contains(':') => Ok((Source::Words(vec![text]), each(far.line), Some(far.line))),
            Some(text) if text.is_empty() => Err(missing("rsync is told no destination".to_owned(), call.line)),
            Some(text) => Err(missing(format!("the destination is on this machine: {text}"), call.line)),
            None => Err(missing(format!("the destination is not understood: {}", far.shown()), call.line)),
        },
    }
}
