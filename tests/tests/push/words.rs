//! What `push` prints, word for word.

use depsync_tests::cli::golden;

use crate::scene::Scene;

#[test]
fn what_a_push_says() {
    let scene = Scene::new(2);
    scene.write("conf/server.xml", "<Server/>\n");
    scene.write("app.txt", "one");
    let mut text = String::new();
    let mut run = |line: &str| {
        text.push_str(&scene.bench.run(line));
        text.push('\n');
    };
    run("push --dry-run");
    run("push -m first");
    run("push");
    scene.write("app.txt", "two");
    scene.nodes[0].write("app.txt", "edited there");
    scene.nodes[0].write("server.log", "nobody's");
    scene.nodes[1].sshd.stop();
    run("push");
    run("push --only web-1 --check");
    run("push --to 1 --only web-1");
    run("push --nodes none.txt");
    run("push --only web-9");
    run("status");
    for far in &scene.nodes {
        text = text.replace(&far.dir().display().to_string(), "[NODE]");
        text = text.replace(&far.sshd.port().to_string(), "[PORT]");
        text = text.replace(&format!("{}@", far.sshd.user()), "[USER]@");
    }
    golden("push", &text.replace(&scene.bench.path("").display().to_string(), "[BENCH]/"));
}
