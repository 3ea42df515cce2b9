//! A real NFS 4.2 mount, two clients: [`depsync_tests::nfs`].
//!
//! Each test boots one machine and runs its scenarios there, one after the other; their names and times are in the
//! test's output.

mod conformance;
mod cost;
mod cut;
mod deployment;
mod full;
mod looks;
mod managers;
mod member;
mod mounts;
mod outage;

use std::path::Path;
use std::time::Duration;

use depsync_tests::nfs::{Cable, Client, Manners, Scene};
use depsync_tests::uml::{Disk, Scenarios, images, inside};

/// A name, and what is done in a directory for local things.
type Scenario = (&'static str, fn(&Scene, &Path));

#[test]
fn a_hub_that_two_clients_share() {
    let images = images();
    let disk = Disk::ext4(images.path(), "export", 256);
    let machine = Scene::machine().disk(&disk).limit(Duration::from_secs(280));
    if !inside("a_hub_that_two_clients_share", &machine) {
        return;
    }
    let scene = Scene::set_up(Manners::Real);
    let top = Path::new("/run/nodes");
    std::fs::create_dir(top).expect("mkdir");
    let mut scenarios = Scenarios::default();
    scenarios.run("a new head is seen at once", || looks::a_new_head_is_seen_at_once(&scene, top));
    let missing = || looks::a_hub_that_was_missing_is_seen_at_once(&scene, top);
    scenarios.run("a hub that was missing is seen at once", missing);
    scenarios.run("only a live mount will do", || mounts::only_a_live_mount_will_do(&scene, top));
    scenarios.run("a full server", || full::a_full_server(&scene, top));
    scenarios.run("two publish at once", || managers::two_publish_at_once(&scene, top));
    scenarios.run("what calls cost", || cost::what_calls_cost(&scene));
    scenarios.run("what a revision costs", || cost::what_a_revision_costs(&scene, top));
    scenarios.end();
}

#[test]
fn a_server_that_is_gone_for_a_while() {
    let images = images();
    let disk = Disk::ext4(images.path(), "export", 256);
    let machine = Scene::machine().disk(&disk).limit(Duration::from_secs(280));
    if !inside("a_server_that_is_gone_for_a_while", &machine) {
        return;
    }
    let scene = Scene::set_up(Manners::Real);
    let top = Path::new("/run/nodes");
    std::fs::create_dir(top).expect("mkdir");
    let soft = Client::mount(&scene.cables[1], Path::new("/run/soft"), "soft,timeo=5,retrans=1");
    let mut pairs =
        [("hard", &scene.clients[0]), ("soft", &soft)].map(|(name, client)| outage::Pair::new(top, name, client));
    let mut scenarios = Scenarios::default();
    let cables = &scene.cables;
    let (cut, mend) = (|| cables.iter().for_each(Cable::pull), || cables.iter().for_each(Cable::plug));
    scenarios.run("cables cut, hard and soft mount", || outage::gone(&mut pairs, cut, mend));
    scenarios.run("a soft mount gives up", || outage::a_soft_mount_gives_up(&scene, &mut pairs[1]));
    scenarios.run("a signal ends it", || outage::a_signal_ends_it(&scene, &mut pairs[0]));
    scenarios.run("cut at work", || outage::cut_at_work(&scene, &mut pairs[0]));
    let (stop, again) = (|| scene.server.stop(), || scene.server.start_again());
    scenarios.run("server stopped, hard and soft mount", || outage::gone(&mut pairs, stop, again));
    scenarios.end();
}

#[test]
fn a_cable_that_is_cut_at_a_step() {
    let images = images();
    let disk = Disk::ext4(images.path(), "export", 256);
    let machine = Scene::machine().disk(&disk).limit(Duration::from_secs(280));
    if !inside("a_cable_that_is_cut_at_a_step", &machine) {
        return;
    }
    let scene = Scene::set_up(Manners::Real);
    let top = Path::new("/run/nodes");
    std::fs::create_dir(top).expect("mkdir");
    let mut scenarios = Scenarios::default();
    scenarios.run("every step of a publish on the hub", || cut::every_step_on_the_hub(&scene, top));
    scenarios.end();
}

#[test]
fn a_deployment_on_a_share() {
    let images = images();
    let disk = Disk::ext4(images.path(), "export", 256);
    let machine = Scene::machine().disk(&disk).limit(Duration::from_secs(280));
    if !inside("a_deployment_on_a_share", &machine) {
        return;
    }
    let scene = Scene::set_up(Manners::Real);
    let top = Path::new("/run/nodes");
    std::fs::create_dir(top).expect("mkdir");
    let all: [Scenario; 6] = [
        ("every change arrives", deployment::every_change_arrives),
        ("open files are no trouble", deployment::open_files_are_no_trouble),
        ("kept files are not published", deployment::kept_files_are_not_published),
        ("a directory removed elsewhere", deployment::a_directory_removed_elsewhere),
        ("killed at work", deployment::killed_at_work),
        ("state on a share is refused", deployment::state_on_a_share_is_refused),
    ];
    let mut scenarios = Scenarios::default();
    for (name, scenario) in all {
        scenarios.run(name, || scenario(&scene, top));
    }
    scenarios.end();
}
