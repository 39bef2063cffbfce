//! Which sources a run fetches: those of what it builds, and no others.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use drydock::digest::Sha256;

use super::mini::{Mini, stderr};

/// A server of files, which notes what it is asked.
struct Server {
    url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    asked: Vec<String>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            // Streams without an end are kept open.
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    request.push(byte[0]);
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let mut words = request.split(' ');
                let (method, path) = (words.next().unwrap(), words.next().unwrap_or_default());
                let mut state = shared.lock().unwrap();
                state.asked.push(format!("{method} {path}"));
                let answer = match state.files.get(path) {
                    Some(body) if body.is_empty() => {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx");
                        open.push(stream);
                        continue;
                    }
                    Some(body) => (200, body.clone()),
                    None => (404, Vec::new()),
                };
                let head = format!(
                    "HTTP/1.1 {} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    answer.0,
                    answer.1.len()
                );
                let body = if method == "HEAD" { &[][..] } else { &answer.1 };
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
            }
        });
        Self { url, state }
    }

    fn has(&self, path: &str, body: &str) {
        self.state.lock().unwrap().files.insert(path.to_owned(), body.as_bytes().to_vec());
    }

    fn lacks(&self, path: &str) {
        self.state.lock().unwrap().files.remove(path);
    }

    /// What was asked since the last question, sorted.
    fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut self.state.lock().unwrap().asked);
        asked.sort();
        asked
    }
}

/// A spec with one source, which it installs.
fn write_spec(mini: &Mini, server: &Server, (name, requires, comment): (&str, &str, &str)) {
    let folder = mini.path("SPECS").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let spec = format!(
        "Name: {name}\nVersion: 1\nRelease: 1\nSummary: Small\nLicense: MIT\nBuildArch: noarch\n\
         Source0: {}/{name}.txt\n{requires}\n%description\nSmall.\n%install\nmkdir -p %{{buildroot}}/usr/share\n\
         cp %{{SOURCE0}} %{{buildroot}}/usr/share/{name}\n%files\n/usr/share/{name}\n# {comment}\n",
        server.url
    );
    std::fs::write(folder.join(format!("{name}.spec")), spec).unwrap();
    let digest = Sha256::of_bytes(content(name).as_bytes());
    let signatures = format!("{{\"Signatures\": {{\"{name}.txt\": \"{digest}\"}}}}\n");
    std::fs::write(folder.join(format!("{name}.signatures.json")), signatures).unwrap();
}

fn content(name: &str) -> String {
    format!("the source of {name}\n")
}

/// `upper` needs `lower`; both have their sources from a server.
pub(super) fn only_what_is_built_is_fetched(mini: &Mini) {
    let server = Server::start();
    for name in ["lower", "upper"] {
        server.has(&format!("/{name}.txt"), &content(name));
    }
    write_spec(mini, &server, ("lower", "", ""));
    write_spec(mini, &server, ("upper", "BuildRequires: lower", ""));
    let run = |arguments: &[&str]| {
        let ran = mini.run(arguments);
        (ran.status.code(), stderr(&ran), server.asked())
    };
    let forget = || std::fs::remove_dir_all(mini.path("cache/drydock/sources")).unwrap();
    let (code, told, asked) = run(&["build", "upper"]);
    assert_eq!((code, asked), (Some(0), vec!["GET /lower.txt".to_owned(), "GET /upper.txt".to_owned()]), "{told}");
    forget();
    let (code, told, asked) = run(&["build", "upper"]);
    assert!(code == Some(0) && told.contains("0 built, 2 up to date") && asked.is_empty(), "{asked:?} {told}");

    // The RPM of `lower` comes out the same, so that `upper` stays: its source is asked for, and not fetched.
    write_spec(mini, &server, ("lower", "", "a comment"));
    let (code, told, asked) = run(&["build", "upper"]);
    assert!(code == Some(0) && told.contains("1 built, 1 up to date"), "{told}");
    assert_eq!(asked, ["GET /lower.txt", "HEAD /upper.txt"]);
    run(&["srpm", "upper"]);
    forget();
    server.asked();
    let (code, told, asked) = run(&["srpm", "upper"]);
    assert!(code == Some(0) && told.contains("0 packed, 1 up to date") && asked.is_empty(), "{asked:?} {told}");

    // What is perhaps needed and cannot be had is told before anything is built.
    server.lacks("/upper.txt");
    write_spec(mini, &server, ("lower", "", "another comment"));
    let (code, told, _) = run(&["build", "upper"]);
    assert!(code == Some(2) && told.contains("/upper.txt: 404") && !told.contains("built lower"), "{told}");
    let (code, told, _) = run(&["build", "upper", "--keep-going"]);
    assert!(code == Some(1) && told.contains("/upper.txt: 404"), "{told}");

    an_interrupt_ends_downloads(mini, &server);
    for name in ["lower", "upper"] {
        std::fs::remove_dir_all(mini.path("SPECS").join(name)).unwrap();
    }
}

/// The server begins an answer and does not go on.
fn an_interrupt_ends_downloads(mini: &Mini, server: &Server) {
    server.has("/lower.txt", "");
    forget_and_change(mini, server);
    let child = mini.command(&["build", "lower"]).stderr(Stdio::piped()).spawn().unwrap();
    while !server.asked().contains(&"GET /lower.txt".to_owned()) {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    // Without an answer to the signal this lasts for the minutes that a server may be silent.
    let ended = child.wait_with_output().unwrap();
    let told = stderr(&ended);
    assert!(ended.status.code() == Some(130) && !told.contains("no answer in time"), "{:?} {told}", ended.status);
}

fn forget_and_change(mini: &Mini, server: &Server) {
    let _ = std::fs::remove_dir_all(mini.path("cache/drydock/sources"));
    write_spec(mini, server, ("lower", "", "interrupted"));
}
