//! A server of files that can be told to answer badly.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use drydock::digest::Sha256;

use super::plan::Answer;

/// Where it is: the network is the run's own.
const ADDRESS: &str = "127.0.0.1:8080";

/// Gives the files of a folder.
pub(super) struct Server {
    trouble: Arc<Mutex<Option<Trouble>>>,
}

/// Which answers are bad.
struct Trouble {
    /// Part of the path.
    path: &'static str,
    how: Answer,
    left: usize,
}

impl Server {
    /// Serves until the process ends.
    pub(super) fn start(folder: PathBuf) -> Self {
        let listener = TcpListener::bind(ADDRESS).unwrap();
        let trouble = Arc::new(Mutex::new(None));
        let server = Self { trouble: Arc::clone(&trouble) };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (folder, trouble) = (folder.clone(), Arc::clone(&trouble));
                std::thread::spawn(move || answer(&stream, &folder, &trouble));
            }
        });
        server
    }

    /// The next `times` requests whose path has `path` are answered badly.
    pub(super) fn fail(&self, path: &'static str, how: Answer, times: usize) {
        *self.trouble.lock().unwrap() = Some(Trouble { path, how, left: times });
    }

    /// Answers well from now on; tells whether it ever did not.
    pub(super) fn recover(&self, times: usize) -> bool {
        self.trouble.lock().unwrap().take().is_some_and(|trouble| trouble.left < times)
    }
}

fn answer(stream: &TcpStream, folder: &Path, trouble: &Mutex<Option<Trouble>>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let Some(path) = lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned)) else { return };
    let from =
        lines.find_map(|line| line.to_lowercase().strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok());
    // A client that gives up is no fault of the server.
    let _ = reply(stream, folder, (&path, from.unwrap_or(0)), next(trouble, &path));
    let _ = stream.shutdown(Shutdown::Both);
}

/// What is wrong with the answer to this request.
fn next(trouble: &Mutex<Option<Trouble>>, path: &str) -> Option<Answer> {
    let mut trouble = trouble.lock().unwrap();
    let trouble = trouble.as_mut().filter(|trouble| path.contains(trouble.path) && trouble.left > 0)?;
    trouble.left -= 1;
    Some(trouble.how)
}

fn reply(
    mut stream: &TcpStream,
    folder: &Path,
    (path, from): (&str, usize),
    wrong: Option<Answer>,
) -> std::io::Result<()> {
    if let Some(Answer::Status(status)) = wrong {
        return write!(stream, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let Ok(mut bytes) = fs::read(folder.join(path.trim_start_matches('/'))) else {
        return write!(stream, "HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let (tag, whole) = (Sha256::of_bytes(&bytes), bytes.len());
    let status = if from > 0 && from < whole { "206 Partial" } else { "200 Whole" };
    if status.starts_with("206") {
        bytes.drain(..from);
    }
    let begin = whole - bytes.len();
    write!(stream, "HTTP/1.1 {status}\r\nETag: \"{tag}\"\r\nContent-Length: {}\r\n", bytes.len())?;
    write!(stream, "Content-Range: bytes {begin}-{}/{whole}\r\nConnection: close\r\n\r\n", whole - 1)?;
    let half = bytes.len() / 2;
    match wrong {
        Some(Answer::Cut) => return stream.write_all(&bytes[..half]),
        Some(Answer::Changed) => bytes[half] ^= 1,
        Some(Answer::Stall) => {
            stream.write_all(&bytes[..half])?;
            std::thread::sleep(Duration::from_secs(2));
            bytes.drain(..half);
        }
        Some(Answer::Status(_)) | None => {}
    }
    stream.write_all(&bytes)
}
