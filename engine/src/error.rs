//! What can go wrong, as a value with a kind, a place and advice.
//!
//! An [`Error`] says which operation failed ([`Error::op`]), on which path or endpoint ([`Error::place`]), why
//! (message and source) and, where the engine knows it, what to do next ([`Error::hint`]). Callers branch on the
//! [`ErrorKind`] alone, never on words: the command line maps kinds to exit codes, retries look at
//! [`ErrorKind::worth_retrying`]. Endpoints reach this room with their credentials already redacted.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// Engine-wide result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it is; the only thing that code branches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller asked for something that makes no sense: a bad name, an unknown revision, a contradictory option.
    Usage,
    /// A guard refused to go on because the situation looks like an accident. Nothing was changed.
    Refused,
    /// Somebody else published the same paths.
    Conflict,
    /// The hub cannot be reached at the moment.
    Unreachable,
    /// Another process works on this deployment.
    Locked,
    /// Content failed verification: damaged, forged or unreadable by this version.
    Damaged,
    /// What was asked for does not exist.
    NotFound,
    /// What was to be created exists.
    AlreadyExists,
    /// The operating system said no.
    PermissionDenied,
    /// A disk or a quota is full.
    NoSpace,
    /// The hub, the file system or this version cannot do what was asked.
    Unsupported,
    /// The answer was lost after the commit was sent: read the head again and compare, never repeat blindly.
    Indeterminate,
    /// The caller cancelled.
    Cancelled,
    /// The deadline passed.
    DeadlineExceeded,
    /// Any other failure of an input or output call.
    Io,
    /// A law of the engine does not hold. A bug.
    Internal,
}

impl ErrorKind {
    /// Whether the same call may succeed a little later without anybody doing anything.
    pub fn worth_retrying(self) -> bool {
        matches!(self, Self::Unreachable | Self::Locked | Self::DeadlineExceeded)
    }

    /// The stable name of the kind, for machine-readable output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::Conflict => "conflict",
            Self::Unreachable => "unreachable",
            Self::Locked => "locked",
            Self::Damaged => "damaged",
            Self::NotFound => "not-found",
            Self::AlreadyExists => "already-exists",
            Self::PermissionDenied => "permission-denied",
            Self::NoSpace => "no-space",
            Self::Unsupported => "unsupported",
            Self::Indeterminate => "indeterminate",
            Self::Cancelled => "cancelled",
            Self::DeadlineExceeded => "deadline",
            Self::Io => "io",
            Self::Internal => "internal",
        }
    }
}

/// A failure: kind, operation, place, reason, advice.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    op: String,
    place: Option<String>,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Makes an error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            op: String::new(),
            place: None,
            message: message.into(),
            hint: None,
            source: None,
        }))
    }

    /// Wraps a failure of the operating system that happened while doing `op` on `place`.
    pub fn io(op: &str, place: impl fmt::Display, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        let kind = kind_of_io(&source);
        Self::new(kind, "").op(op).at(place).because(source)
    }

    /// Content that fails verification, at `place`.
    pub fn damaged(place: impl fmt::Display, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Damaged, message).at(place)
    }

    /// Names the operation that failed, unless an inner one is named already.
    #[must_use]
    pub fn op(mut self, op: impl Into<String>) -> Self {
        if self.0.op.is_empty() {
            self.0.op = op.into();
        }
        self
    }

    /// Names the path or endpoint, unless an inner one is named already.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        if self.0.place.is_none() {
            self.0.place = Some(place.to_string());
        }
        self
    }

    /// Names the path or endpoint anew: whoever knows all of it corrects an inner one that knew a part.
    #[must_use]
    pub fn found_at(mut self, place: impl fmt::Display) -> Self {
        self.0.place = Some(place.to_string());
        self
    }

    /// Says what to do next, unless that was said already.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if self.0.hint.is_none() {
            self.0.hint = Some(hint.into());
        }
        self
    }

    /// Says what to do next anew: whoever knows all of it corrects an inner one that knew a part.
    #[must_use]
    pub fn hint_instead(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Attaches the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Gives the error another kind: the same failure means different things to different callers.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The kind of failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The path or endpoint, if one is known.
    pub fn place(&self) -> Option<&str> {
        self.0.place.as_deref()
    }

    /// The number that the operating system gave the failure, if it was its failure.
    pub fn os_error(&self) -> Option<i32> {
        self.0.source.as_ref()?.downcast_ref::<io::Error>()?.raw_os_error()
    }

    /// What to do next, if the engine knows.
    pub fn advice(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

/// Translates what the operating system says into a kind.
fn kind_of_io(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::PermissionDenied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => ErrorKind::NoSpace,
        io::ErrorKind::StaleNetworkFileHandle | io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable => {
            ErrorKind::Unreachable
        }
        _ => ErrorKind::Io,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        let mut separator = "";
        if !inner.op.is_empty() {
            write!(f, "cannot {}", inner.op)?;
            separator = ": ";
        }
        if let Some(place) = &inner.place {
            write!(f, "{separator}{place}")?;
            separator = ": ";
        }
        if !inner.message.is_empty() {
            write!(f, "{separator}{}", inner.message)?;
            separator = ": ";
        }
        if let Some(source) = &inner.source {
            write!(f, "{separator}{source}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.0.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().and_then(|source| source.source())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_operation_place_reason_and_cause() {
        let error = Error::io("open", "/srv/x", io::Error::from_raw_os_error(28)).hint("free some space");
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        assert_eq!(error.to_string(), "cannot open: /srv/x: No space left on device (os error 28)");
        assert_eq!(error.advice(), Some("free some space"));
        assert_eq!(error.os_error(), Some(28));
    }

    #[test]
    fn the_innermost_place_stays() {
        let error = Error::damaged("inner", "bad length").at("outer").op("read");
        assert_eq!(error.to_string(), "cannot read: inner: bad length");
    }
}
