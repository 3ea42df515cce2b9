//! Somebody who asks for one page again and again, and remembers every answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Http, War};
use crate::daemon::wait_until;

/// Between two questions: a person could not tell it from none, and the machine has others to work for.
const BREATH: Duration = Duration::from_millis(1);

/// What a visitor is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The whole page of this version.
    Page(u32),
    /// A page that no version has: its beginning.
    Torn(String),
    /// No page, but this status.
    Status(u16),
    /// Nothing: why.
    Failed(String),
}

/// The same answer some times in a row.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The answer.
    pub answer: Answer,
    /// How often.
    pub count: usize,
    /// When the first of them was there.
    pub from: Instant,
    /// When the last of them was there.
    pub until: Instant,
}

/// Somebody who asks. He stops when he is dropped.
pub struct Visitor {
    visits: Arc<Mutex<Vec<Visit>>>,
    leaves: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Visitor {
    /// Asks for `path` from now on.
    pub(super) fn come(mut http: Http, path: &str) -> Self {
        let (visits, leaves) = (Arc::<Mutex<Vec<Visit>>>::default(), Arc::<AtomicBool>::default());
        let (path, remembered, is_over) = (path.to_owned(), Arc::clone(&visits), Arc::clone(&leaves));
        let thread = std::thread::spawn(move || {
            while !is_over.load(Ordering::SeqCst) {
                let answer = read(http.get(&path));
                remember(&mut remembered.lock().expect("no panic"), answer);
                std::thread::sleep(BREATH);
            }
        });
        Self { visits, leaves, thread: Some(thread) }
    }

    /// Waits until he is shown this version.
    ///
    /// # Panics
    /// If he is not in time; with what he was answered.
    pub fn wait_for(&self, version: u32) {
        let sees = || self.visits().last().is_some_and(|visit| visit.answer == Answer::Page(version));
        wait_until(&format!("version {version} is shown"), sees);
    }

    /// What he was answered so far.
    pub fn visits(&self) -> Vec<Visit> {
        self.visits.lock().expect("no panic").clone()
    }

    /// Lets him go; what he was answered.
    pub fn leave(mut self) -> Vec<Visit> {
        self.stop();
        self.visits()
    }

    fn stop(&mut self) {
        self.leaves.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.stop();
    }
}

fn read(answer: std::io::Result<(u16, Vec<u8>)>) -> Answer {
    match answer {
        Ok((200, content)) => {
            let content = String::from_utf8_lossy(&content);
            let torn = || Answer::Torn(content.chars().take(100).collect());
            War::version_of(&content).map_or_else(torn, Answer::Page)
        }
        Ok((status, _)) => Answer::Status(status),
        Err(error) => Answer::Failed(error.to_string()),
    }
}

fn remember(visits: &mut Vec<Visit>, answer: Answer) {
    let now = Instant::now();
    match visits.last_mut().filter(|last| last.answer == answer) {
        Some(last) => (last.count, last.until) = (last.count + 1, now),
        None => visits.push(Visit { answer, count: 1, from: now, until: now }),
    }
}

/// The versions that were shown, in order: each once, unless another one was between.
pub fn pages(visits: &[Visit]) -> Vec<u32> {
    let mut pages: Vec<u32> = visits.iter().filter_map(Visit::page).collect();
    pages.dedup();
    pages
}

/// The longest time from one page to the next.
pub fn longest_absence(visits: &[Visit]) -> Duration {
    let shown: Vec<&Visit> = visits.iter().filter(|visit| visit.page().is_some()).collect();
    shown.windows(2).map(|two| two[1].from - two[0].until).max().unwrap_or_default()
}

impl Visit {
    /// The version that was shown, if any was.
    pub fn page(&self) -> Option<u32> {
        if let Answer::Page(version) = self.answer { Some(version) } else { None }
    }
}
