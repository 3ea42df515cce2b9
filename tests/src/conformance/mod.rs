//! What every transport must do: one public function per behaviour.
//!
//! Each takes an empty [`Place`] and fails by panicking. [`behaviours!`](crate::behaviours) makes a `#[test]` of each
//! for a place. `general` knows nothing of how a hub looks inside; `damage`, `faults`, `collect` and `cost` are about
//! hubs that are directories.

pub mod collect;
pub mod collectors;
pub mod cost;
pub mod damage;
mod draw;
pub mod faults;
pub mod general;
pub mod versions;

pub use collect::*;
pub use collectors::*;
pub use cost::*;
pub use damage::*;
pub use faults::*;
pub use general::*;
pub use versions::*;

use depsync_engine::context::Context;
use depsync_engine::error::ErrorKind;
use depsync_engine::transport::{OpenMode, Transport};

use crate::ground::Ground;
use crate::node::{Files, Node, files, noise};
use crate::place::Place;

/// A hub is made in `place`; a node of the deployment `main`.
pub(crate) fn first<G: Ground>(place: &G) -> Node<G::Client> {
    let node = Node::new(place.client_of("main"));
    node.transport.open(&Context::new(), OpenMode::Create).expect("a hub");
    node
}

/// Another node of the deployment `main`.
pub(crate) fn another<G: Ground>(place: &G) -> Node<G::Client> {
    let node = Node::new(place.client_of("main"));
    node.transport.open(&Context::new(), OpenMode::Existing).expect("the hub");
    node
}

/// Some files of every sort: empty, small, of many pieces, a link, a name that is not UTF-8.
pub(crate) fn sample(seed: u64) -> Files {
    let mut all = files([("empty", &b""[..]), ("link", b"->small"), ("small", b"small file")]);
    all.extend(files([("large", noise(seed, 300_000).as_slice()), ("page", noise(seed + 1, 1024).as_slice())]));
    all.insert(depsync_engine::path::RelPath::new(&b"caf\xe9"[..]).expect("bytes"), noise(seed + 2, 100));
    all
}

pub(crate) fn kind<T>(result: depsync_engine::error::Result<T>) -> ErrorKind {
    result.err().expect("an error").kind()
}

/// A behaviour: its name and what checks it.
pub type Behaviour = (&'static str, fn(&Place));

/// Hands the names of the behaviours that are of all transports to a macro, behind what it is given besides.
#[macro_export]
macro_rules! every_general_behaviour {
    ($macro:ident $($given:tt)*) => {
        $macro! { $($given)*
            an_empty_place_is_not_a_hub
            creating_makes_one_hub_and_opening_finds_it
            two_who_create_at_once_make_one_hub
            a_deployment_without_records_has_no_head
            what_is_published_is_fetched
            what_is_restored_comes_from_the_hub
            removals_and_reverts_are_fetched
            one_publish_of_two_wins
            a_race_of_threads_leaves_one_chain
            records_follow_each_other
            deployments_do_not_see_each_other
            reports_are_kept_by_node
            a_cancelled_context_does_nothing
            a_file_that_moved_is_named
        }
    };
}

/// Hands the names of all behaviours to a macro, behind what it is given besides.
#[macro_export]
macro_rules! every_behaviour {
    ($macro:ident $($given:tt)*) => {
        $crate::every_general_behaviour! { $macro $($given)*
            a_place_with_something_else_in_it_is_not_made_a_hub
            a_lagging_missing_or_damaged_head_is_seen_through
            a_head_that_names_no_record_is_healed
            a_tampered_record_is_damaged
            a_hub_put_back_is_noticed
            a_foreign_hub_is_refused
            a_damaged_pack_is_named
            a_missing_pack_is_damage
            a_damaged_report_hides_no_other
            features_are_respected
            a_lost_reply_is_decided_by_the_bytes
            a_fault_at_any_call_of_a_publish_leaves_a_valid_hub
            a_fault_at_any_call_of_an_update_is_an_error_and_no_more
            a_hanging_call_ends_with_the_deadline
            what_was_uploaded_before_a_race_is_used
            looking_costs_one_read
            an_update_after_a_small_publish_reads_three_names
            a_small_publish_is_nine_operations
            garbage_is_collected_and_nothing_else
            what_nodes_have_applied_is_kept
            leftovers_are_swept_after_the_grace
            the_grace_is_kept
            gc_between_any_two_steps_of_a_publish_loses_nothing
            a_pack_cut_to_the_bytes_of_a_condemned_one_is_another
            gc_between_any_two_steps_of_an_update_loses_nothing
            a_crash_of_gc_at_any_call_leaves_a_valid_hub
            damage_stops_gc
            a_stalled_collector_takes_nothing_that_is_needed
            a_deployment_that_begins_after_gc_is_whole
            an_index_that_is_replaced_is_read_again
            a_chain_of_releases_is_followed
            gc_keeps_what_differences_are_made_of
            a_reader_that_knew_the_hub_before_finds_what_was_renewed
            a_crash_of_gc_while_it_renews_leaves_a_valid_hub
            gc_stores_pieces_whole_if_it_is_told_to
            an_old_hub_gets_what_a_new_one_has
            the_heads_of_all_deployments_are_told
        }
    };
}

/// Makes a `#[test]` of every behaviour that is of all transports, for the ground that the expression makes.
#[macro_export]
macro_rules! general_behaviours {
    ($ground:expr) => {
        use $crate::general_behaviours as make_general_tests;
        $crate::every_general_behaviour! { make_general_tests @ $ground; }
    };
    (@ $ground:expr; $($behaviour:ident)*) => {
        $(
            #[test]
            fn $behaviour() {
                $crate::conformance::general::$behaviour(&$ground);
            }
        )*
    };
}

macro_rules! listed {
    ($($behaviour:ident)*) => {
        /// Every behaviour, for those who cannot make a `#[test]` of each.
        pub const BEHAVIOURS: &[Behaviour] = &[$((stringify!($behaviour), $behaviour)),*];
    };
}

every_behaviour! { listed }

/// Makes a `#[test]` of every behaviour, for the place that the expression makes.
#[macro_export]
macro_rules! behaviours {
    ($place:expr) => {
        use $crate::every_behaviour;
        use $crate::behaviours as make_tests;
        every_behaviour! { make_tests @ $place; }
    };
    (@ $place:expr; $($behaviour:ident)*) => {
        $(
            #[test]
            fn $behaviour() {
                $crate::conformance::$behaviour(&$place);
            }
        )*
    };
}

/// The same, but for those that take many seconds where a call is a round trip: they try something at every call of a
/// publish, an update or gc. For wrappers around such a place, which runs them bare.
#[macro_export]
macro_rules! quick_behaviours {
    ($place:expr) => {
        use $crate::every_behaviour;
        use $crate::quick_behaviours as make_quick_tests;
        every_behaviour! { make_quick_tests @ $place; }
    };
    (@ $place:expr;) => {};
    (@ $place:expr; a_lost_reply_is_decided_by_the_bytes $($rest:ident)*) => {
        $crate::quick_behaviours! { @ $place; $($rest)* }
    };
    (@ $place:expr; a_fault_at_any_call_of_a_publish_leaves_a_valid_hub $($rest:ident)*) => {
        $crate::quick_behaviours! { @ $place; $($rest)* }
    };
    (@ $place:expr; gc_between_any_two_steps_of_a_publish_loses_nothing $($rest:ident)*) => {
        $crate::quick_behaviours! { @ $place; $($rest)* }
    };
    (@ $place:expr; gc_between_any_two_steps_of_an_update_loses_nothing $($rest:ident)*) => {
        $crate::quick_behaviours! { @ $place; $($rest)* }
    };
    (@ $place:expr; a_pack_cut_to_the_bytes_of_a_condemned_one_is_another $($rest:ident)*) => {
        $crate::quick_behaviours! { @ $place; $($rest)* }
    };
    (@ $place:expr; a_crash_of_gc_at_any_call_leaves_a_valid_hub $($rest:ident)*) => {
        $crate::quick_behaviours! { @ $place; $($rest)* }
    };
    (@ $place:expr; a_stalled_collector_takes_nothing_that_is_needed $($rest:ident)*) => {
        $crate::quick_behaviours! { @ $place; $($rest)* }
    };
    (@ $place:expr; an_index_that_is_replaced_is_read_again $($rest:ident)*) => {
        $crate::quick_behaviours! { @ $place; $($rest)* }
    };
    (@ $place:expr; $behaviour:ident $($rest:ident)*) => {
        #[test]
        fn $behaviour() {
            $crate::conformance::$behaviour(&$place);
        }
        $crate::quick_behaviours! { @ $place; $($rest)* }
    };
}
