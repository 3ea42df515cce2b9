//! What a program prints on stderr: the end of it, kept for messages.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How many bytes of stderr are kept.
const KEPT: usize = 4 << 10;

/// The last bytes of something that is read on another thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    kept: Arc<Mutex<VecDeque<u8>>>,
    ended: Arc<AtomicBool>,
}

impl Tail {
    /// Reads `from` to its end and keeps the last bytes.
    pub(super) fn drain(&self, from: impl Read) {
        self.read_all(from);
        self.ended.store(true, Ordering::SeqCst);
    }

    /// Whether it has ended, and all of it was read.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    fn read_all(&self, mut from: impl Read) {
        let mut buffer = [0; 1024];
        loop {
            match from.read(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.extend(&buffer[..count]);
                    let surplus = kept.len().saturating_sub(KEPT);
                    kept.drain(..surplus);
                }
            }
        }
    }

    /// What there is by now, for people: control characters are escaped, but for the ends of lines.
    pub(crate) fn text(&self) -> String {
        let kept: Vec<u8> = self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        let text = String::from_utf8_lossy(&kept);
        let mut shown = String::with_capacity(text.len());
        for character in text.trim().chars() {
            match character {
                '\n' => shown.push('\n'),
                '\r' => {}
                character if character.is_control() => shown.extend(character.escape_default()),
                character => shown.push(character),
            }
        }
        shown
    }

    /// Forgets what there is.
    pub(crate) fn clear(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
