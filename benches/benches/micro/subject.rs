//! What is measured.

/// How much one repetition does.
#[derive(Clone, Copy)]
pub(crate) enum Amount {
    Items(usize),
    Bytes(usize),
}

/// A piece of work.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) amount: Amount,
    /// Makes whatever it needs, and gives what is repeated.
    pub(crate) prepare: fn() -> Box<dyn FnMut()>,
}
