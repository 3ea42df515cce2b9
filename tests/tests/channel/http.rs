use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use depsync_engine::channel::{Channel, Listener};
use depsync_engine::error::ErrorKind;
use depsync_tests::svn::Certificate;
use depsync_transports::channel::{ChannelSettings, HttpChannel, Token};

use super::conformance::{self, Kit};
use super::{Ear, Heard, announcement, report};

fn near() -> SocketAddr {
    "127.0.0.1:0".parse().expect("an address")
}

fn token() -> Token {
    Token::new("the-token-of-the-tests").expect("a token")
}

fn nobody() -> Arc<dyn Listener> {
    Ear::new().1
}

fn serve(settings: &ChannelSettings) -> HttpChannel {
    HttpChannel::start(settings, &nobody()).expect("serves")
}

fn listen(url: &str, settings: &ChannelSettings, listener: &Arc<dyn Listener>) -> HttpChannel {
    let settings = ChannelSettings { serve: None, listen: vec![url.to_owned()], ..settings.clone() };
    HttpChannel::start(&settings, listener).expect("listens")
}

/// A server is where the first one of its kit was.
struct Plain {
    settings: ChannelSettings,
    place: OnceLock<SocketAddr>,
}

impl Plain {
    fn new() -> Self {
        Self { settings: ChannelSettings { token: Some(token()), ..Default::default() }, place: OnceLock::new() }
    }

    fn place(&self) -> SocketAddr {
        // Held for a moment only: nobody else is given the same one meanwhile.
        *self.place.get_or_init(|| TcpListener::bind(near()).expect("a port").local_addr().expect("an address"))
    }
}

impl Kit for Plain {
    fn manager(&self, listener: &Arc<dyn Listener>) -> Arc<dyn Channel> {
        let settings = ChannelSettings { serve: Some(self.place()), ..self.settings.clone() };
        // The one before may not have let go of its port yet.
        let mut started = HttpChannel::start(&settings, listener);
        for _ in 0..500 {
            if started.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
            started = HttpChannel::start(&settings, listener);
        }
        Arc::new(started.expect("serves"))
    }

    fn worker(&self, listener: &Arc<dyn Listener>) -> Arc<dyn Channel> {
        Arc::new(listen(&format!("http://{}", self.place()), &self.settings, listener))
    }
}

#[test]
fn it_does_what_every_channel_does() {
    conformance::all(Plain::new);
}

#[test]
fn it_does_so_behind_tls() {
    let certificate = Certificate::of_server();
    let settings = ChannelSettings {
        serve: Some(near()),
        token: Some(token()),
        certificate: Some((certificate.path(), certificate.key())),
        authorities: Some(certificate.path()),
        ..Default::default()
    };
    let server = serve(&settings);
    let url = format!("https://localhost:{}", server.serves().expect("serves").port());
    let (ear, listener) = Ear::new();
    let _hearer = listen(&url, &settings, &listener);
    ear.wait_for("connected", |heard| heard.connected > 0);
    server.announce(&announcement("main", 1));
    ear.wait_for_last(&announcement("main", 1));
    // Whoever does not know the authority hears nothing, and sends no token.
    let (deaf, listener) = Ear::new();
    let _stranger = listen(&url, &ChannelSettings { authorities: None, ..settings }, &listener);
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(deaf.heard(), Heard::default());
}

#[test]
fn nobody_hears_or_says_anything_without_the_token() {
    let settings = ChannelSettings { serve: Some(near()), token: Some(token()), ..Default::default() };
    let (keeper, listener) = Ear::new();
    let server = HttpChannel::start(&settings, &listener).expect("serves");
    server.announce(&announcement("main", 1));
    let url = format!("http://{}", server.serves().expect("serves"));
    for given in [None, Some(Token::new("another-token-of-them").expect("a token"))] {
        let (ear, listener) = Ear::new();
        let _hearer = listen(&url, &ChannelSettings { token: given, ..Default::default() }, &listener);
        std::thread::sleep(Duration::from_millis(400));
        assert_eq!(ear.heard(), Heard::default());
    }
    let said =
        ask(server.serves().expect("serves"), "GET /v1/announcements HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(said.starts_with("HTTP/1.1 401 ") && !said.contains("main"), "{said}");
    // Nobody is put on the list without it either.
    let text = report("w", 1).to_text().expect("text");
    let post = |token: &str, text: &str| {
        let head = format!("POST /v1/reports HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{token}");
        ask(server.serves().expect("serves"), &format!("{head}content-length: {}\r\n\r\n{text}", text.len()))
    };
    assert!(post("", &text).starts_with("HTTP/1.1 401 "));
    let bearer = "authorization: Bearer the-token-of-the-tests\r\n";
    assert_eq!(keeper.heard(), Heard::default());
    assert!(post(bearer, "{}").starts_with("HTTP/1.1 400 "));
    assert!(post(bearer, &text.replace("\"w\"", "\"../w\"")).starts_with("HTTP/1.1 400 "));
    assert!(post(bearer, &" ".repeat(1 << 17)).starts_with("HTTP/1.1 413 "));
    assert_eq!(keeper.heard(), Heard::default());
    assert!(post(bearer, &text).starts_with("HTTP/1.1 204 "));
    assert_eq!(keeper.heard().reports, [report("w", 1)]);
    let said = ask(server.serves().expect("serves"), "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(said.starts_with("HTTP/1.1 200 ") && said.ends_with("ok\n"), "{said}");
}

fn ask(server: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(server).expect("connects");
    stream.write_all(request.as_bytes()).expect("writes");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("reads");
    said
}

#[test]
fn a_server_that_comes_back_is_heard_again() {
    let settings = ChannelSettings { serve: Some(near()), token: Some(token()), ..Default::default() };
    let server = serve(&settings);
    let place = server.serves().expect("serves");
    let (ear, listener) = Ear::new();
    let _hearer = listen(&format!("http://{place}"), &settings, &listener);
    ear.wait_for("connected", |heard| heard.connected == 1);
    drop(server);
    std::thread::sleep(Duration::from_millis(300));
    let again = ChannelSettings { serve: Some(place), ..settings };
    let server = serve(&again);
    ear.wait_for("connected again", |heard| heard.connected == 2);
    server.announce(&announcement("main", 9));
    ear.wait_for_last(&announcement("main", 9));
    let taken = HttpChannel::start(&again, &nobody()).err().expect("the port is taken");
    assert!(taken.to_string().contains(&place.to_string()), "{taken}");
}

/// Servers that say what they should not, each time another one.
#[test]
fn a_server_that_lies_is_heard_and_not_believed() {
    let listener = TcpListener::bind(near()).expect("a port");
    let place = listener.local_addr().expect("an address");
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let good = announcement("main", 3).to_text().expect("text");
    std::thread::spawn(move || {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        let long = format!("{head}data: {}", "x".repeat(8 << 20));
        let many = format!("{head}{}", "data: x\n".repeat(1 << 20));
        let answers = [
            String::new(),
            "nonsense\r\n\r\n".to_owned(),
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_owned(),
            format!("{head}data: {{}}\n\ndata: [1]\n\nevent: other\ndata: \u{1}\n\nid: 1\n\n"),
            format!("{head}data: {}\n\n", good.replace("main", "../x")),
            long,
            many,
            format!("{head}data: {good}\n\n"),
        ];
        for answer in answers.iter().cycle() {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer.as_bytes());
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let (ear, listener) = Ear::new();
    let _hearer = listen(&format!("http://{place}"), &ChannelSettings::default(), &listener);
    let heard = ear.wait_for("the one that is good", |heard| !heard.announced.is_empty());
    assert_eq!(heard.announced, [announcement("main", 3)]);
    assert_eq!(served.load(Ordering::SeqCst), 9);
}

/// Those who connect and say nothing, or do not read, are in nobody's way.
#[test]
fn who_does_not_read_is_not_waited_for() {
    let server = serve(&ChannelSettings { serve: Some(near()), ..Default::default() });
    let place = server.serves().expect("serves");
    let _silent: Vec<_> = (0..50).map(|_| TcpStream::connect(place).expect("connects")).collect();
    let mut deaf: Vec<_> = (0..20).map(|_| TcpStream::connect(place).expect("connects")).collect();
    for stream in &mut deaf {
        stream.write_all(b"GET /v1/announcements HTTP/1.1\r\nhost: x\r\n\r\n").expect("writes");
    }
    let (ear, listener) = Ear::new();
    let _hearer = listen(&format!("http://{place}"), &ChannelSettings::default(), &listener);
    ear.wait_for("connected", |heard| heard.connected > 0);
    for number in 1..=20_000 {
        server.announce(&announcement("main", number));
    }
    ear.wait_for_last(&announcement("main", 20_000));
}

#[test]
fn what_cannot_work_is_said_at_once() {
    let start = |settings: ChannelSettings| HttpChannel::start(&settings, &nobody()).err().expect("refused");
    let missing = Some(("/nowhere/c.pem".into(), "/nowhere/k.pem".into()));
    let error = start(ChannelSettings { serve: Some(near()), certificate: missing, ..Default::default() });
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("/nowhere/c.pem"), "{error}");
    let listen = vec!["https://127.0.0.1:1".to_owned()];
    let error = start(ChannelSettings { listen, authorities: Some("/nowhere/a.pem".into()), ..Default::default() });
    assert!(error.to_string().contains("/nowhere/a.pem"), "{error}");
}
