//! A small registry: it keeps what it is given, and for chosen requests says what a test tells it to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::digest::Sha256;

/// An HTTP answer, whole.
pub(super) type Answer = Vec<u8>;

/// What the registry holds and was asked.
#[derive(Default)]
struct State {
    /// Blobs by digest and manifests by tag and digest, as `PATH` below `/v2/`.
    kept: BTreeMap<String, Vec<u8>>,
    /// Answers for requests that begin with a text, taken in their order.
    scripts: Vec<(String, VecDeque<Answer>)>,
    asked: Vec<String>,
    /// The start of requests whose answers come byte by byte, with the pause before each.
    trickle: Option<(String, Duration)>,
    /// The `Authorization` that every request but that for a token needs, and how a client is told so.
    guard: Option<(String, String)>,
}

/// A registry on a port of this machine.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) host: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { host: listener.local_addr().unwrap().to_string(), state: Arc::default() };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = serving.clone();
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        server
    }

    /// The reference of the test's repository with `suffix` (`:TAG` or `@DIGEST`).
    pub(super) fn reference(&self, suffix: &str) -> String {
        format!("{}/team/tools{suffix}", self.host)
    }

    /// Answers the next requests that begin with `request` with `answers`.
    pub(super) fn script(&self, request: impl Into<String>, answers: Vec<Answer>) {
        self.state.lock().unwrap().scripts.push((request.into(), answers.into()));
    }

    /// The same, before what it was told earlier.
    pub(super) fn script_first(&self, request: impl Into<String>, answers: Vec<Answer>) {
        self.state.lock().unwrap().scripts.insert(0, (request.into(), answers.into()));
    }

    /// Sends a byte at a time of what it answers to requests that begin with `request`.
    pub(super) fn trickle(&self, request: impl Into<String>, pause: Duration) {
        self.state.lock().unwrap().trickle = Some((request.into(), pause));
    }

    /// Asks for `authorization` from now on, by the header `challenge`.
    pub(super) fn guard(&self, authorization: &str, challenge: String) {
        self.state.lock().unwrap().guard = Some((authorization.to_owned(), challenge));
    }

    /// Puts the content under `manifests/…` or `blobs/…`.
    pub(super) fn keep(&self, name: impl AsRef<str>, content: impl Into<Vec<u8>>) {
        self.state.lock().unwrap().kept.insert(format!("team/tools/{}", name.as_ref()), content.into());
    }

    /// What is kept under `manifests/…` or `blobs/…`.
    pub(super) fn kept(&self, name: &str) -> Option<Vec<u8>> {
        self.state.lock().unwrap().kept.get(&format!("team/tools/{name}")).cloned()
    }

    /// All requests so far that begin with `request`.
    pub(super) fn asked(&self, request: &str) -> Vec<String> {
        self.state.lock().unwrap().asked.iter().filter(|asked| asked.starts_with(request)).cloned().collect()
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut request = Vec::new();
        let head_end = loop {
            if let Some(end) = request.windows(4).position(|end| end == b"\r\n\r\n") {
                break end;
            }
            if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let head = String::from_utf8_lossy(&request[..head_end]).into_owned();
        let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = request.split_off(head_end + 4);
        while body.len() < length && stream.read_buf(&mut body).await.unwrap_or(0) > 0 {}
        let answer = self.answer(&head, body);
        let trickle = self.state.lock().unwrap().trickle.clone();
        if let Some((_, pause)) = trickle.filter(|(request, _)| head.starts_with(request.as_str())) {
            for byte in answer {
                tokio::time::sleep(pause).await;
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
            }
            return;
        }
        let _ = stream.write_all(&answer).await;
        let _ = stream.shutdown().await;
    }

    fn answer(&self, head: &str, body: Vec<u8>) -> Answer {
        let mut state = self.state.lock().unwrap();
        state.asked.push(head.to_owned());
        for (request, answers) in &mut state.scripts {
            if head.starts_with(request.as_str())
                && let Some(answer) = answers.pop_front()
            {
                return answer;
            }
        }
        if let Some((authorization, challenge)) = &state.guard
            && header(head, "authorization").as_ref() != Some(authorization)
        {
            return status(&format!("401 Unauthorized\r\nWWW-Authenticate: {challenge}"));
        }
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let path = path.strip_prefix("/v2/").unwrap_or("?");
        match method {
            _ if path.is_empty() => status("200 OK"),
            "GET" | "HEAD" => match state.kept.get(path) {
                Some(content) => content_of(content, header(head, "range"), method == "HEAD"),
                None => refusal(404, "MANIFEST_UNKNOWN"),
            },
            "POST" => status("202 Accepted\r\nLocation: /v2/team/tools/blobs/uploads/1?state=secret"),
            "PUT" if path.contains("/uploads/") => {
                let digest = path.rsplit_once("digest=").unwrap().1.replace("%3A", ":");
                if Sha256::of_bytes(&body).to_oci() != digest {
                    return refusal(400, "DIGEST_INVALID");
                }
                state.kept.insert(format!("team/tools/blobs/{digest}"), body);
                status("201 Created\r\nLocation: /v2/x")
            }
            "PUT" => {
                let (folder, _) = path.rsplit_once('/').unwrap();
                state.kept.insert(format!("{folder}/{}", Sha256::of_bytes(&body).to_oci()), body.clone());
                state.kept.insert(path.to_owned(), body);
                status("201 Created\r\nLocation: /v2/x")
            }
            _ => status("405 Method Not Allowed"),
        }
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

fn content_of(content: &[u8], range: Option<String>, head_only: bool) -> Answer {
    let from = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match from {
        Some(from) if from >= content.len() => status("416 Range Not Satisfiable"),
        Some(from) => answer_of("206 Partial Content", &content[from..], content.len() - from),
        None => answer_of("200 OK", if head_only { &[] } else { content }, content.len()),
    }
}

/// An answer that promises `length` bytes.
pub(super) fn answer_of(line: &str, content: &[u8], length: usize) -> Answer {
    let head = format!("HTTP/1.1 {line}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), content].concat()
}

pub(super) fn status(line: &str) -> Answer {
    answer_of(line, &[], 0)
}

/// A refusal in the registry protocol's own form.
pub(super) fn refusal(code: u16, word: &str) -> Answer {
    let body = format!(r#"{{"errors":[{{"code":"{word}","message":"said by the test"}}]}}"#);
    answer_of(&format!("{code} No"), body.as_bytes(), body.len())
}

pub(super) fn whole(content: &[u8]) -> Answer {
    answer_of("200 OK", content, content.len())
}

/// Promises all of `content` and sends the first `sent` bytes.
pub(super) fn cut(content: &[u8], sent: usize) -> Answer {
    answer_of("200 OK", &content[..sent], content.len())
}
