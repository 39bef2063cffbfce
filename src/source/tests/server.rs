//! An HTTP server that says what a test tells it to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// One answer of the server: the whole HTTP message.
pub(super) type Answer = Vec<u8>;

/// Gives its answers in their order, one a connection; keeps what it was asked.
pub(super) struct Server {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (mut answers, log) = (VecDeque::from(answers), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                    let mut buffer = [0; 1024];
                    let read = stream.read(&mut buffer).await.unwrap_or(0);
                    if read == 0 {
                        break;
                    }
                    request.extend_from_slice(&buffer[..read]);
                }
                log.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
                let answer = answers.pop_front().unwrap_or_else(|| status("404 Not Found"));
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { url, asked }
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn paths(&self) -> Vec<String> {
        self.asked().iter().map(|request| request.split(' ').nth(1).unwrap_or_default().to_owned()).collect()
    }
}

pub(super) fn status(line: &str) -> Answer {
    format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

/// Sends the client to another place.
pub(super) fn moved(to: &str) -> Answer {
    status(&format!("302 Found\r\nLocation: {to}"))
}

pub(super) fn whole(content: &[u8]) -> Answer {
    cut(content, content.len())
}

/// Promises all of `content` and sends the first `sent` bytes.
pub(super) fn cut(content: &[u8], sent: usize) -> Answer {
    let head =
        format!("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", content.len());
    [head.as_bytes(), &content[..sent]].concat()
}

pub(super) fn rest(content: &[u8], from: usize) -> Answer {
    let (all, left) = (content.len(), content.len() - from);
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\nContent-Range: bytes {from}-{}/{all}\r\n\
         Content-Length: {left}\r\nConnection: close\r\n\r\n",
        all - 1
    );
    [head.as_bytes(), &content[from..]].concat()
}
