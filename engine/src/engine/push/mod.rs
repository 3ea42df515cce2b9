//! `push`: the newest revision goes to plain directories on other machines, where nothing of ours runs.
//!
//! A node that publishes publishes first: what is pushed is always a revision, with a number, a root and a record. Then
//! each directory of the list is brought to it, several at a time, each for itself (`deliver`): one that fails keeps no
//! other from getting it.
//!
//! Two pushes from one state are never at work at once; whoever publishes or updates meanwhile is not kept from it.

mod deliver;
mod materials;
mod outcome;
mod start;
mod undisturbed;

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::{Node, PublishOptions, PublishOutcome, Role};
use crate::apply::Lock;
use crate::context::{Context, Delivering};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::{NodeId, Revision};
use crate::push::Destination;
use crate::transport::{Look, OpenMode};
use crate::tree::{self, MemoryPages, Overlay, Tree, empty_root};

use materials::Materials;
pub use outcome::{Delivery, PushOutcome};
use undisturbed::Undisturbed;

/// What `push` is to do.
#[derive(Clone, Debug, Default)]
pub struct PushOptions {
    /// How to publish first.
    pub publish: PublishOptions,
    /// Push this revision, and publish nothing.
    pub to: Option<u64>,
    /// Look at everything that is there, by checksums, and put right what differs.
    pub check: bool,
    /// The same, and what is there and in no revision goes, too; it is kept aside.
    pub prune: bool,
    /// How many nodes at a time.
    pub parallel: usize,
}

/// A node of a push.
pub struct Addressed {
    /// Its id.
    pub node: NodeId,
    /// Its address, for people and to know it again.
    pub address: String,
    /// The directory.
    pub destination: Box<dyn Destination + Send>,
}

/// What all deliveries of a push have in common.
struct Load<'a> {
    revision: Revision,
    root: Digest,
    options: &'a PushOptions,
    materials: Materials<'a>,
    undisturbed: Undisturbed,
}

impl Node {
    /// Publishes, if this node does, and brings every node of `nodes` to the newest revision, or to `options.to`.
    ///
    /// That a node fails is part of the outcome; an error means that nothing was pushed to any.
    pub fn push(&self, cx: &Context, options: &PushOptions, nodes: Vec<Addressed>) -> Result<PushOutcome> {
        cx.check()?;
        let begun = Instant::now();
        let _lock = Lock::take_for_push(cx, &self.places.state, self.options.lock_wait)
            .map_err(|error| error.hint("another push is at work; wait for it to end"))?;
        let may_publish = match self.options.role {
            Some(role) => role == Role::ReadWrite,
            // The first push makes a manager of a node that was none yet.
            None => self.identity().writes != Some(false),
        };
        let publishes = options.to.is_none() && may_publish;
        let published = publishes.then(|| self.publish(cx, &options.publish)).transpose()?;
        let head = self.soundly(|| self.to_be_pushed(cx, options.to))?;
        let millis = || u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        if options.publish.dry_run {
            let (revision, root, nodes) = self.foresee(cx, head, published.as_ref(), nodes)?;
            return Ok(PushOutcome { published, revision, root, nodes, duration_ms: millis() });
        }
        let Some((revision, root)) = head else {
            return Err(Error::new(ErrorKind::Usage, "there is no revision to push")
                .at(self.transport.endpoint())
                .hint("publish one first"));
        };
        let materials = Materials::new(self, revision)?;
        let load = Load { revision, root, options, materials, undisturbed: Undisturbed::default() };
        let nodes = self.deliver_all(cx, &load, nodes);
        cx.check()?;
        Ok(PushOutcome { published, revision: revision.number, root, nodes, duration_ms: millis() })
    }

    /// The newest revision, or number `to`, with its tree.
    fn to_be_pushed(&self, cx: &Context, to: Option<u64>) -> Result<Option<(Revision, Digest)>> {
        let mut position = self.db.position()?;
        let hub = self.look_at_hub(cx, &mut position, OpenMode::Existing, Look::Glance)?;
        let Some(head) = hub.head else { return Ok(None) };
        let (revision, root) = match to {
            Some(number) if number != head.revision.number => {
                let revision = self.record_number(cx, number)?.revision;
                (revision, self.root_at(cx, revision)?)
            }
            _ => (head.revision, head.root),
        };
        self.ensure_tree(cx, revision, root)?;
        Ok(Some((revision, root)))
    }

    /// What a push would do, as far as is on record: number and root of the revision, and what each node would get.
    fn foresee(
        &self,
        cx: &Context,
        head: Option<(Revision, Digest)>,
        published: Option<&PublishOutcome>,
        nodes: Vec<Addressed>,
    ) -> Result<(u64, Digest, Vec<Delivery>)> {
        let (number, root) = head.map_or((0, empty_root()), |(revision, root)| (revision.number, root));
        let mut fresh = MemoryPages::default();
        let changes = published.into_iter().flat_map(|published| published.changes.iter());
        let changes = changes.map(|change| Ok((change.path, change.after)));
        let root = tree::edit(Tree::new(&*self.db, root), changes, &mut fresh)?;
        let pages = Overlay::with(fresh, &*self.db);
        let mut deliveries = Vec::new();
        for node in nodes {
            let known = self.known_of(&node.node, &node.address)?;
            let mut delivery = Delivery::new(node.node, node.address);
            delivery.from = known.applied.map(|(revision, _)| revision.number);
            delivery.applied = delivery.from;
            let base = match known.applied {
                Some((revision, root)) if self.can_be_read(cx, revision, root)? => root,
                _ => empty_root(),
            };
            let changes = Tree::new(&pages, base).diff(&Tree::new(&pages, root)).collect::<Result<_>>()?;
            delivery.count(&changes);
            deliveries.push(delivery);
        }
        let new = published.is_some_and(|published| published.changed);
        Ok((number + u64::from(new), root, deliveries))
    }

    /// Delivers to all, `parallel` at a time.
    fn deliver_all(&self, cx: &Context, load: &Load<'_>, nodes: Vec<Addressed>) -> Vec<Delivery> {
        let workers = load.options.parallel.clamp(1, nodes.len().max(1));
        for node in &nodes {
            cx.delivering(node.node.as_str(), Delivering::Waiting);
        }
        let waiting = Mutex::new(nodes.into_iter().enumerate());
        let done: Mutex<Vec<(usize, Delivery)>> = Mutex::default();
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    while let Some((number, mut node)) = next() {
                        let delivery = self.deliver_to(cx, load, &mut node);
                        done.lock().unwrap_or_else(PoisonError::into_inner).push((number, delivery));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(number, _)| *number);
        done.into_iter().map(|(_, delivery)| delivery).collect()
    }

    /// Delivers to one. Whatever goes wrong is part of the answer.
    fn deliver_to(&self, cx: &Context, load: &Load<'_>, node: &mut Addressed) -> Delivery {
        let begun = Instant::now();
        let name = node.node.to_string();
        cx.delivering(&name, Delivering::Arriving);
        let mut delivery = Delivery::new(node.node.clone(), node.address.clone());
        let done = self.deliver(cx, load, node, &mut delivery);
        // Whoever waits for the directory need not wait for us to be gone.
        let ended = node.destination.end(cx);
        if let Err(error) = done.and(ended) {
            delivery.error = Some(error);
        }
        if let Err(error) = self.note_delivery(cx, load, &mut delivery) {
            delivery.warnings.push(format!("the report of this node could not be written: {error}"));
        }
        delivery.duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        cx.delivering(&name, if delivery.has_it() { Delivering::Done } else { Delivering::Failed });
        delivery
    }
}
