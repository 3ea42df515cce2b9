use std::fs;
use std::path::Path;

use depsync_tests::cluster::copy_tree;
use depsync_tests::debian::unpacked;
use depsync_tests::tomcat::{Answer, PAGE, War};

use super::{Scene, updates};

/// As an editor does: nobody finds half a text.
fn put(path: &Path, text: &str) {
    let fresh = path.with_extension("tmp");
    fs::write(&fresh, text).expect("write");
    fs::rename(fresh, path).expect("rename");
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("a text");
    assert!(text.contains(from), "{}: {text}", path.display());
    put(path, &text.replace(from, to));
}

/// Tomcat's own examples, as Debian packs them, and a page that somebody asks for all the time.
#[test]
fn a_change_of_the_descriptor_is_one_reload_and_one_of_a_page_is_none() {
    let scene = Scene::new();
    let source = scene.source("examples");
    fs::create_dir(&source).expect("mkdir");
    copy_tree(&unpacked("tomcat10-examples").join("usr/share/tomcat10-examples/examples"), &source);
    put(&source.join(PAGE), &War::page(1));
    let (manager, worker) = scene.daemons();
    let tomcat = scene.tomcat();
    let visitor = tomcat.visitor(&format!("/examples/{PAGE}"));
    let title = "Apache Tomcat Examples";
    let (status, page) = tomcat.get("/examples/index.html");
    assert!(status == 200 && page.contains(title), "{status} {page} {}", tomcat.log());
    let (status, hello) = tomcat.get("/examples/servlets/servlet/HelloWorldExample");
    assert!(status == 200 && hello.contains("Hello"), "{status} {hello}");

    // A page: shown as soon as the server looks at it again.
    edit(&source.join("index.html"), title, "Edited Examples");
    tomcat
        .wait_for(|server| server.get("/examples/index.html").1.contains("Edited Examples"), "the page is the new one");
    tomcat.look_around();
    assert_eq!(tomcat.reloads("/examples"), 0, "{}", tomcat.log());

    // The descriptor, with what it speaks of: a servlet gets another address.
    let moved = "/examples/moved/HelloWorldExample";
    assert_eq!(tomcat.get(moved).0, 404);
    for time in 1..=2 {
        let (from, to) = if time == 1 { ("servlets/servlet", "moved") } else { ("moved", "servlets/servlet") };
        let pattern = |place: &str| format!("<url-pattern>/{place}/HelloWorldExample</url-pattern>");
        edit(&source.join("WEB-INF/web.xml"), &pattern(from), &pattern(to));
        let text = format!("{title} {time}");
        put(&source.join("index.html"), &text);
        let address = format!("/examples/{to}/HelloWorldExample");
        tomcat.wait_for(|server| server.get(&address).0 == 200, "the servlet is where the descriptor says");
        tomcat.look_around();
        assert_eq!(tomcat.reloads("/examples"), time, "{}", tomcat.log());
        tomcat.wait_for(|server| server.get("/examples/index.html").1 == text, "the page is the new one");
    }
    // Whoever comes during a reload waits.
    let visits = visitor.leave();
    assert!(matches!(&visits[..], [all] if all.answer == Answer::Page(1)), "{visits:?}");
    assert_eq!((tomcat.attempts("examples"), tomcat.removals("/examples")), (1, 0), "{}", tomcat.log());
    assert_eq!(tomcat.complaints(), Vec::<String>::new());
    let done = updates(&worker);
    assert!((4..=6).contains(&done.len()), "{done:?}");
    manager.stop();
    worker.stop();
}
