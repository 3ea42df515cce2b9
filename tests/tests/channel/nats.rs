use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use depsync_engine::channel::{Announcement, Channel, Listener, MAX_ANNOUNCEMENT, MAX_REPORTED, Report};
use depsync_engine::error::ErrorKind;
use depsync_engine::name::HubId;
use depsync_tests::nats::{NatsServer, TOKEN};
use depsync_tests::svn::Certificate;
use depsync_transports::channel::{ChannelSettings, HttpChannel, NatsChannel, Token};

use super::conformance::{self, Kit};
use super::{Ear, Heard, announcement, hub, report};

fn token() -> Option<Token> {
    Some(Token::new(TOKEN).expect("a token"))
}

fn of(server: &NatsServer) -> ChannelSettings {
    ChannelSettings { listen: vec![server.url()], token: token(), ..Default::default() }
}

fn manager_of(server: &NatsServer) -> ChannelSettings {
    ChannelSettings { keeps: true, ..of(server) }
}

fn start(settings: &ChannelSettings, listener: &Arc<dyn Listener>) -> NatsChannel {
    NatsChannel::start(settings, listener).expect("starts")
}

/// Somebody who is connected.
fn connected(settings: &ChannelSettings) -> (Arc<Ear>, NatsChannel) {
    let (ear, listener) = Ear::new();
    let channel = start(settings, &listener);
    ear.wait_for("connected", |heard| heard.connected > 0);
    (ear, channel)
}

/// The last report of each node.
fn newest(heard: &Heard) -> BTreeMap<String, Report> {
    heard.reports.iter().map(|one| (one.report.node.to_string(), one.clone())).collect()
}

struct Real(NatsServer);

impl Kit for Real {
    fn manager(&self, listener: &Arc<dyn Listener>) -> Arc<dyn Channel> {
        Arc::new(start(&manager_of(&self.0), listener))
    }

    fn worker(&self, listener: &Arc<dyn Listener>) -> Arc<dyn Channel> {
        Arc::new(start(&of(&self.0), listener))
    }
}

#[test]
fn it_does_what_every_channel_does() {
    conformance::all(|| Real(NatsServer::start()));
}

/// Where the server is killed, everybody comes back by himself, and what was said meanwhile is heard.
#[test]
fn a_server_that_comes_back_is_found_again() {
    let server = NatsServer::start();
    let (boss_ear, boss) = connected(&manager_of(&server));
    let workers: Vec<_> = (0..3).map(|_| connected(&of(&server))).collect();
    boss.announce(&announcement("main", 1));
    for (index, (ear, worker)) in workers.iter().enumerate() {
        ear.wait_for_last(&announcement("main", 1));
        let one = report(&format!("w{index}"), 1);
        worker.report(&one);
        boss_ear.wait_for("the report", |heard| heard.reports.contains(&one));
    }
    for round in 2..=3_u64 {
        server.stop();
        for (index, (_, worker)) in workers.iter().enumerate() {
            for number in [round * 10, round * 10 + 1] {
                worker.report(&report(&format!("w{index}"), number));
            }
        }
        boss.announce(&announcement("main", round * 10));
        let asked: Vec<usize> = workers.iter().map(|(ear, _)| ear.heard().asked).collect();
        server.start_again();
        let times = usize::try_from(round).expect("a small number");
        boss_ear.wait_for("connected again", |heard| heard.connected == times);
        for (index, (ear, _)) in workers.iter().enumerate() {
            ear.wait_for("connected again", |heard| heard.connected == times);
            ear.wait_for("asked", |heard| heard.asked > asked[index]);
            let (kept, gone) = (report(&format!("w{index}"), round * 10 + 1), report(&format!("w{index}"), round * 10));
            let heard = boss_ear.wait_for("the report", |heard| heard.reports.contains(&kept));
            assert!(!heard.reports.contains(&gone), "only the newest is kept: {heard:?}");
        }
        let next = announcement("main", round * 10 + 1);
        boss.announce(&next);
        for (ear, _) in &workers {
            ear.wait_for_last(&next);
        }
    }
}

/// A server that is not there when a node starts is no error, and found when it comes.
#[test]
fn a_server_may_come_later() {
    let server = NatsServer::start();
    server.stop();
    let (boss_ear, listener) = Ear::new();
    let _boss = start(&manager_of(&server), &listener);
    let (ear, listener) = Ear::new();
    let worker = start(&of(&server), &listener);
    worker.report(&report("w", 1));
    server.start_again();
    ear.wait_for("connected", |heard| heard.connected == 1);
    boss_ear.wait_for("the report", |heard| heard.reports.contains(&report("w", 1)));
}

/// A server that hangs keeps what it was sent. One that hangs for long is given up, and found when it goes on.
#[test]
fn a_server_that_hangs_is_noticed() {
    let server = NatsServer::start();
    let (boss_ear, _boss) = connected(&manager_of(&server));
    let (ear, worker) = connected(&of(&server));
    server.freeze();
    worker.report(&report("w", 1));
    std::thread::sleep(Duration::from_millis(300));
    server.thaw();
    boss_ear.wait_for("the report", |heard| heard.reports.contains(&report("w", 1)));
    assert_eq!((ear.heard().connected, boss_ear.heard().connected), (1, 1));
    server.freeze();
    worker.report(&report("w", 2));
    // Longer than an answer is waited for.
    std::thread::sleep(Duration::from_secs(12));
    server.thaw();
    ear.wait_for("connected again", |heard| heard.connected == 2);
    boss_ear.wait_for("the report", |heard| heard.reports.contains(&report("w", 2)));
}

/// A manager that starts knows of nobody, asks, and hears of all, though none of them has anything new to say.
#[test]
fn who_is_started_again_hears_of_all() {
    let server = NatsServer::start();
    let (ear, boss) = connected(&manager_of(&server));
    let workers: Vec<_> = (0..20).map(|_| connected(&of(&server))).collect();
    for (index, (_, worker)) in workers.iter().enumerate() {
        worker.report(&report(&format!("w{index}"), 7));
    }
    ear.wait_for("all of them", |heard| newest(heard).len() == 20);
    let asked: Vec<usize> = workers.iter().map(|(ear, _)| ear.heard().asked).collect();
    drop(boss);
    let (ear, _boss) = connected(&manager_of(&server));
    let heard = ear.wait_for("all of them", |heard| newest(heard).len() == 20);
    assert_eq!(heard.reports.len(), 20, "each answers once: {heard:?}");
    for (index, (ear, _)) in workers.iter().enumerate() {
        ear.wait_for("asked", |heard| heard.asked > asked[index]);
        assert_eq!(ear.heard().connected, 1);
    }
    // Who only listens hears nothing of reports.
    assert!(workers.iter().all(|(ear, _)| ear.heard().reports.is_empty()));
}

#[test]
fn nobody_hears_or_says_anything_without_the_token() {
    let server = NatsServer::start();
    let (ear, boss) = connected(&manager_of(&server));
    let wrong = [None, Some(Token::new("another-token-of-them").expect("a token"))].map(|given| {
        let (deaf, listener) = Ear::new();
        let channel = start(&ChannelSettings { token: given, keeps: true, ..of(&server) }, &listener);
        channel.report(&report("intruder", 1));
        channel.announce(&announcement("main", 9));
        (deaf, channel)
    });
    // Both have tried again.
    server.wait_for(|server| server.refused() >= 4, "they are refused, again and again");
    let (worker_ear, worker) = connected(&of(&server));
    worker.report(&report("w", 1));
    boss.announce(&announcement("main", 1));
    worker_ear.wait_for_last(&announcement("main", 1));
    let heard = ear.wait_for("the report", |heard| !heard.reports.is_empty());
    assert_eq!((heard.reports, heard.announced), (vec![report("w", 1)], vec![]));
    for (deaf, _) in &wrong {
        assert_eq!(deaf.heard(), Heard::default());
    }
}

#[test]
fn it_works_behind_tls() {
    let certificate = Certificate::of_server();
    let server = NatsServer::behind_tls(&certificate);
    let settings = ChannelSettings {
        listen: vec![format!("tls://localhost:{}", server.port())],
        authorities: Some(certificate.path()),
        ..manager_of(&server)
    };
    let (boss_ear, boss) = connected(&settings);
    let (ear, worker) = connected(&ChannelSettings { keeps: false, ..settings.clone() });
    boss.announce(&announcement("main", 1));
    ear.wait_for_last(&announcement("main", 1));
    worker.report(&report("w", 1));
    boss_ear.wait_for("the report", |heard| heard.reports.contains(&report("w", 1)));
    // Whoever does not know the authority, or expects another name, hears nothing.
    let other = Certificate::of_server();
    let url = format!("tls://127.0.0.1:{}", server.port());
    let strangers = [
        ChannelSettings { authorities: None, ..settings.clone() },
        ChannelSettings { authorities: Some(other.path()), ..settings.clone() },
        ChannelSettings { listen: vec![url], ..settings },
    ]
    .map(|settings| {
        let (deaf, listener) = Ear::new();
        (deaf, start(&settings, &listener))
    });
    server.wait_for(|server| server.log().matches("TLS handshake error").count() >= 6, "they try again and again");
    boss.announce(&announcement("main", 2));
    ear.wait_for_last(&announcement("main", 2));
    for (deaf, _) in &strangers {
        assert_eq!(deaf.heard(), Heard::default());
    }
}

/// Whoever asks for TLS tells nobody the token without it, and goes nowhere that a server refers him to.
#[test]
fn no_token_is_told_to_who_only_says_that_he_is_a_server() {
    let liar = TcpListener::bind("127.0.0.1:0").expect("a port");
    let elsewhere = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (place, other) = (liar.local_addr().expect("an address"), elsewhere.local_addr().expect("an address"));
    let settings = |url: String| ChannelSettings { listen: vec![url], token: token(), ..Default::default() };
    let (ear, listener) = Ear::new();
    let _victim = start(&settings(format!("tls://localhost:{}", place.port())), &listener);
    for _ in 0..3 {
        let mut stream = liar.accept().expect("it comes").0;
        let info = format!(
            "INFO {{\"server_id\":\"x\",\"version\":\"2.9.10\",\"host\":\"127.0.0.1\",\"port\":1,\"proto\":1,\
             \"headers\":true,\"max_payload\":1048576,\"connect_urls\":[\"{other}\"]}}\r\n"
        );
        stream.write_all(info.as_bytes()).expect("writes");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
        let mut said = vec![0; 4096];
        let count = stream.read(&mut said).expect("it says something");
        assert_eq!(said[0], 22, "TLS begins: {:?}", String::from_utf8_lossy(&said[..count]));
    }
    elsewhere.set_nonblocking(true).expect("a socket");
    assert!(elsewhere.accept().is_err(), "nobody came");
    assert_eq!(ear.heard(), Heard::default());
}

/// A process may have several deployments, and names may have dots.
#[test]
fn each_deployment_is_heard_of_and_asked() {
    let server = NatsServer::start();
    let of_some = |names: &[&str], settings| ChannelSettings {
        deployments: names.iter().map(|name| name.parse().expect("a name")).collect(),
        ..settings
    };
    let (ear, worker) = connected(&of_some(&["shop.example"], of(&server)));
    let (stranger, _stranger) = connected(&of_some(&["shop"], of(&server)));
    let both = ["main", "shop.example"];
    let (boss_ear, boss) = connected(&of_some(&both, manager_of(&server)));
    // Once because he has come, and once because he was asked.
    ear.wait_for("asked", |heard| heard.asked == 2);
    let (both_ear, _both) = connected(&of_some(&both, of(&server)));
    assert_eq!(both_ear.heard().asked, 1, "who was not there when it was asked");
    for (number, name) in (1..).zip(["main", "shop", "shop.example"]) {
        boss.announce(&announcement(name, number));
    }
    boss.announce(&announcement("shop.example", 4));
    ear.wait_for_last(&announcement("shop.example", 4));
    let last = announcement("shop.example", 4);
    let is_there = |heard: &Heard| [&last, &announcement("main", 1)].iter().all(|one| heard.announced.contains(one));
    let heard = both_ear.wait_for("both", is_there);
    assert!(!heard.announced.contains(&announcement("shop", 2)));
    stranger.wait_for_last(&announcement("shop", 2));
    assert_eq!((stranger.heard().announced.len(), stranger.heard().asked), (1, 1));
    let mut one = report("w", 1);
    worker.report(&one);
    one.deployment = "shop.example".parse().expect("a name");
    worker.report(&one);
    let heard = boss_ear.wait_for("both", |heard| heard.reports.len() == 2);
    assert!(heard.reports.contains(&one));
}

/// Messages of somebody who has the token and means no good.
#[test]
fn what_is_no_message_is_passed_over() {
    let server = NatsServer::start();
    let ours = |settings| ChannelSettings { deployments: vec!["main".parse().expect("a name")], ..settings };
    let (boss_ear, boss) = connected(&ours(manager_of(&server)));
    let (ear, worker) = connected(&ours(of(&server)));
    // Both know their hub.
    boss.report(&report("boss", 1));
    worker.report(&report("w", 1));
    boss_ear.wait_for("the report", |heard| heard.reports.contains(&report("w", 1)));
    let mut stranger = server.stranger();
    let (good, said) = (announcement("main", 3).to_text().expect("text"), report("x", 3).to_text().expect("text"));
    let theirs: HubId = "ffffffffffffffffffffffffffffffff".parse().expect("an id");
    let to = |deployment: &str, hub: HubId| format!("depsync.announce.{deployment}.{hub}");
    let foreign = good.replace(&hub().to_string(), &theirs.to_string());
    let long = |text: &str, most: usize| format!("{text}{}", " ".repeat(most));
    for (subject, text) in [
        (to("main", hub()), ""),
        (to("main", hub()), "{}"),
        (to("main", hub()), "\u{0}\u{fffd}"),
        (to("main", hub()), &long(&good, MAX_ANNOUNCEMENT)),
        (to("main", hub()), &good.replace("\"main\"", "\"../x\"")),
        (to("main", hub()), &good.replace("\"main\"", "\"other\"")),
        (to("main", hub()), &foreign),
        (to("main", theirs), &good),
        (to("main", theirs), &foreign),
        (to("other", hub()), &announcement("other", 3).to_text().expect("text")),
    ] {
        stranger.say(&subject, text, 1);
    }
    let from = |node: &str, hub: HubId| format!("depsync.report.main.{hub}.{node}");
    let foreign = said.replace(&hub().to_string(), &theirs.to_string());
    for (subject, text) in [
        (from("x", hub()), ""),
        (from("x", hub()), "{}"),
        (from("x", hub()), &long(&said, MAX_REPORTED)),
        (from("x", hub()), &foreign),
        (from("y", hub()), &said),
        (from("x", theirs), &foreign),
    ] {
        stranger.say(&subject, text, 1);
    }
    // What is good is heard behind it.
    boss.announce(&announcement("main", 4));
    ear.wait_for_last(&announcement("main", 4));
    worker.report(&report("w", 2));
    let heard = boss_ear.wait_for("the report", |heard| heard.reports.contains(&report("w", 2)));
    assert_eq!((heard.announced, heard.reports), (vec![], vec![report("w", 1), report("w", 2)]));
    assert_eq!(ear.heard().announced, [announcement("main", 4)]);
    // Questions from another hub are not for us, and a thousand of ours have an answer or two.
    let asked = ear.heard().asked;
    stranger.say("depsync.ask.main", &theirs.to_string(), 100);
    stranger.say("depsync.ask.other", "", 100);
    stranger.say("depsync.ask.main", &hub().to_string(), 500);
    stranger.say("depsync.ask", "", 500);
    ear.wait_for("asked", |heard| heard.asked == asked + 1000);
    let heard = boss_ear.wait_for("an answer", |heard| heard.reports.len() > 2);
    worker.report(&report("w", 3));
    let heard = boss_ear.wait_for("the report", |now| now.reports.contains(&report("w", 3)) && *now != heard);
    assert!(heard.reports.len() <= 6, "{}", heard.reports.len());
}

#[test]
fn a_thousand_reports_at_once_are_all_there() {
    let server = NatsServer::start();
    let (ear, _boss) = connected(&manager_of(&server));
    let workers: Vec<_> = (0..10).map(|_| connected(&of(&server)).1).collect();
    for number in 1..=3 {
        for (index, worker) in workers.iter().enumerate() {
            for node in 0..100 {
                worker.report(&report(&format!("w{index}.{node}"), number));
            }
        }
    }
    let is_last = |one: &Report| one.report.applied.is_some_and(|revision| revision.number == 3);
    let heard = ear.wait_for("all", |heard| newest(heard).values().filter(|one| is_last(one)).count() == 1000);
    assert_eq!(newest(&heard).len(), 1000);
}

/// Somebody who does not take what he hears until he is let go.
#[derive(Default)]
struct Slow {
    ear: Ear,
    may_go: Mutex<bool>,
    news: Condvar,
}

impl Listener for Slow {
    fn announced(&self, announcement: Announcement) {
        self.ear.announced(announcement);
    }

    fn connected(&self) {
        self.ear.connected();
    }

    fn asked(&self) {
        self.ear.asked();
    }

    fn reported(&self, report: Report) {
        self.ear.reported(report);
        let mut may_go = self.may_go.lock().expect("no panic");
        while !*may_go {
            may_go = self.news.wait(may_go).expect("no panic");
        }
    }
}

/// What does not fit is dropped, and asked for again.
#[test]
fn who_cannot_take_in_all_asks_again() {
    let server = NatsServer::start();
    let slow = Arc::new(Slow::default());
    let listener: Arc<dyn Listener> = Arc::<Slow>::clone(&slow);
    let _boss = start(&manager_of(&server), &listener);
    slow.ear.wait_for("connected", |heard| heard.connected == 1);
    let (ear, worker) = connected(&of(&server));
    worker.report(&report("w", 1));
    slow.ear.wait_for("the first", |heard| heard.reports.len() == 1);
    // He is stuck in it. Now comes more than may wait, and at its end what is worth hearing.
    let asked = ear.heard().asked;
    server.stranger().say(&format!("depsync.report.main.{}.w", hub()), "x", 30_000);
    worker.report(&report("w", 2));
    *slow.may_go.lock().expect("no panic") = true;
    slow.news.notify_all();
    ear.wait_for("asked again", |heard| heard.asked > asked);
    let heard = slow.ear.wait_for("the second", |heard| heard.reports.contains(&report("w", 2)));
    assert!(heard.connected >= 2, "something may have been missed: {heard:?}");
}

/// Users with permissions, as the manual has them: nobody speaks for another node, and no worker announces anything.
#[test]
fn a_server_can_say_who_may_say_what() {
    let server = NatsServer::with(
        r#"authorization {
            all = ["depsync.announce.>", "depsync.ask.>", "depsync.ask", "depsync.inbox.>"]
            users = [
                { user: "manager", password: "password-of-manager", permissions: { publish: "depsync.>", subscribe: "depsync.>" } }
                { user: "w1", password: "password-of-the-first", permissions: {
                    publish: ["depsync.report.*.*.w1", "depsync.inbox.>"], subscribe: $all } }
            ]
        }"#,
    );
    let as_user = |user: &str, password: &str, keeps: bool| ChannelSettings {
        listen: vec![server.url()],
        user: Some(user.to_owned()),
        token: Some(Token::new(password).expect("a password")),
        keeps,
        ..Default::default()
    };
    let (boss_ear, boss) = connected(&as_user("manager", "password-of-manager", true));
    let (ear, worker) = connected(&as_user("w1", "password-of-the-first", false));
    worker.announce(&announcement("main", 1));
    worker.report(&report("w2", 1));
    worker.report(&report("w1", 1));
    let heard = boss_ear.wait_for("the report", |heard| !heard.reports.is_empty());
    boss.announce(&announcement("main", 2));
    ear.wait_for_last(&announcement("main", 2));
    worker.report(&report("w1", 2));
    let heard_then = boss_ear.wait_for("the report", |heard| heard.reports.contains(&report("w1", 2)));
    assert_eq!(heard.reports, [report("w1", 1)]);
    assert_eq!((heard_then.reports.len(), heard_then.announced), (2, vec![]));
    // Who may not keep the list hears no reports, though he wants to.
    let (wanting, _worker) = connected(&as_user("w1", "password-of-the-first", true));
    worker.report(&report("w1", 3));
    boss_ear.wait_for("the report", |heard| heard.reports.contains(&report("w1", 3)));
    assert_eq!(wanting.heard().reports, []);
}

#[test]
fn what_cannot_work_is_said_at_once() {
    let refused = |settings: ChannelSettings| NatsChannel::start(&settings, &Ear::new().1).err().expect("refused");
    let listen = || vec!["tls://127.0.0.1:1".to_owned()];
    let settings = |urls: &[&str]| ChannelSettings {
        listen: urls.iter().map(ToString::to_string).collect(),
        ..Default::default()
    };
    for urls in [&[][..], &["http://127.0.0.1:1"], &["tls://a b"], &["tls://:1"], &["nats://u:secret@127.0.0.1:1"]] {
        let error = refused(settings(urls));
        assert!(error.kind() == ErrorKind::Usage && !error.to_string().contains("secret"), "{error}");
    }
    let error = HttpChannel::start(&settings(&["nats://127.0.0.1:1"]), &Ear::new().1).err().expect("refused");
    assert_eq!(error.kind(), ErrorKind::Usage);
    let error =
        refused(ChannelSettings { listen: listen(), authorities: Some("/nowhere/a.pem".into()), ..Default::default() });
    assert!(error.to_string().contains("/nowhere/a.pem"), "{error}");
    let empty = tempfile::NamedTempFile::new().expect("a file");
    let authorities = Some(empty.path().to_owned());
    let error = refused(ChannelSettings { listen: listen(), authorities, ..Default::default() });
    assert_eq!(error.kind(), ErrorKind::Usage);
}
