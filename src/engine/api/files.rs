//! The output folder of a container that has ended, as the engine's archive of it.
//!
//! Podman from 5.4 on answers with a whole response and nothing in it while it still cleans up after the container. So an
//! archive that is not whole is no answer, and is asked for again; that there is no such folder is an answer of its own.

use std::time::Duration;

use bollard::errors::Error as Bollard;
use bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use futures_util::StreamExt;

use super::error::ApiError;
use super::pipe;
use super::run::Run;
use crate::engine::collect::{self, Patience};
use crate::engine::{Collect, CollectError, EngineError, Exit};

/// The first pause before an archive is asked for again; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 100 });
/// How often an archive is asked for; the pauses between are some 13 seconds together.
const QUESTIONS: u32 = 8;

/// What came of one question.
enum Taken {
    /// The files are there, or there is no such folder.
    All,
    /// The archive was not whole.
    Cut(CollectError),
}

impl Run<'_> {
    /// Takes the files out of the container; says how the run ends when there is no time left for that.
    pub(super) async fn collect(&self, collect: Collect, patience: &Patience<'_>) -> Result<Option<Exit>, EngineError> {
        let mut pause = FIRST_PAUSE;
        for question in 1.. {
            let fault = match self.take(&collect, patience).await? {
                Ok(Taken::All) => return Ok(None),
                Ok(Taken::Cut(fault)) => fault,
                Err(over) => return Ok(Some(over)),
            };
            if question == QUESTIONS {
                return Err(ApiError::Cut { container: self.name.clone(), source: Box::new(fault) }.into());
            }
            tracing::debug!(container = self.name, question, %fault, "the archive is not whole");
            tokio::select! {
                over = patience.over() => return Ok(Some(over)),
                () = tokio::time::sleep(pause) => pause *= 2,
            }
        }
        Ok(None)
    }

    async fn take(&self, collect: &Collect, patience: &Patience<'_>) -> Result<Result<Taken, Exit>, EngineError> {
        let request = |source| ApiError::Request { operation: "copy files out of", thing: self.name.clone(), source };
        let options = DownloadFromContainerOptionsBuilder::default().path(collect.from.as_str()).build();
        let archive = self.api.docker.download_from_container(&self.name, Some(options));
        let mut over = None;
        let until = async { over = Some(patience.over().await) };
        let mut archive = Box::pin(archive.take_until(until).peekable());
        if let Some(Err(Bollard::DockerResponseServerError { status_code: 404, .. })) = archive.as_mut().peek().await {
            // The container has the folder not, or the engine has the container not.
            // Podman has states that Docker does not know, so whoever answers at all has it.
            return match self.api.docker.inspect_container(&self.name, None).await {
                Ok(_) | Err(Bollard::JsonDataError { .. }) => Ok(Ok(Taken::All)),
                Err(fault) => Err(request(fault).into()),
            };
        }
        let Collect { from, into } = collect.clone();
        let unpack = move |reader: &mut dyn std::io::Read| collect::unpack(reader, from.as_str(), &into);
        let (unpacked, fault) = pipe::read_by(&mut archive, unpack).await.map_err(|error| request(error.into()))?;
        drop(archive);
        match (unpacked, fault, over) {
            (Ok(()), ..) => Ok(Ok(Taken::All)),
            (Err(CollectError::Read { .. }), _, Some(over)) => Ok(Err(over)),
            (Err(CollectError::Read { .. }), Some(fault), None) => Err(request(fault).into()),
            (Err(fault @ CollectError::Read { .. }), None, None) => Ok(Ok(Taken::Cut(fault))),
            (Err(fault), ..) => Err(fault.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::engine::api::socket;
    use crate::engine::api::{Api, Flavor, Images, Owner};
    use crate::engine::{Capabilities, ContainerSpec, GuestPath, ImageId, Limits, Network, User};
    use crate::oci::Store;

    const WHOLE: &[u8] = b"whole";

    /// An engine that answers questions for an archive with these, one after the other, then with the last one; it knows
    /// a container while `has_container`.
    fn engine(folder: &Path, answers: Vec<(u16, Vec<u8>)>, has_container: bool) -> Api {
        let path = folder.join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            let mut answers = answers.into_iter();
            let mut last = (500, Vec::new());
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(&stream).lines().map(Result::unwrap);
                let request = lines.next().unwrap_or_default();
                lines.find(String::is_empty);
                let (code, body) = if request.contains("/archive?") {
                    last = answers.next().unwrap_or(last.clone());
                    last.clone()
                } else if has_container {
                    (200, b"{}".to_vec())
                } else {
                    (404, br#"{"message":"no such container"}"#.to_vec())
                };
                let head = format!("HTTP/1.1 {code} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
            }
        });
        let docker = socket::client(&format!("unix://{}", path.display())).unwrap();
        let store = Store::open(folder.join("oci")).unwrap();
        Api {
            outside: crate::engine::Outside::default(),
            is_remapped: false,
            pids: 1,
            images: Images::new(docker.clone(), store, String::new()),
            docker,
            flavor: Flavor::Podman,
            description: String::new(),
            init: folder.join("init"),
            owner: Owner::this_process(),
            folder: folder.to_owned(),
            trees: Vec::new(),
            sharing: tokio::sync::OnceCell::new(),
            _tunnel: None,
        }
    }

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        builder.append_data(&mut header, "out/", std::io::empty()).unwrap();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(WHOLE.len() as u64);
        builder.append_data(&mut header, "out/file", WHOLE).unwrap();
        builder.into_inner().unwrap()
    }

    async fn collected(answers: Vec<(u16, Vec<u8>)>, has_container: bool) -> Result<Vec<Vec<u8>>, EngineError> {
        let folder = tempfile::tempdir().unwrap();
        let api = engine(folder.path(), answers, has_container);
        let spec = ContainerSpec {
            image: ImageId::Derived(crate::digest::Sha256::of_bytes(b"")),
            argv: Vec::new(),
            env: std::collections::BTreeMap::new(),
            user: User::Root,
            workdir: GuestPath::new("/").unwrap(),
            mounts: Vec::new(),
            network: Network::None,
            capabilities: Capabilities::Default,
            limits: Limits::default(),
        };
        let into = folder.path().join("into");
        std::fs::create_dir(&into).unwrap();
        let cancel = CancellationToken::new();
        let collect = Collect { from: GuestPath::new("/out").unwrap(), into: into.clone() };
        let ended = Run::new(&api, &spec, None).collect(collect, &Patience::new(&cancel, None)).await?;
        assert_eq!(ended, None);
        let files = std::fs::read_dir(&into).unwrap();
        Ok(files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect())
    }

    #[tokio::test]
    async fn an_archive_that_is_not_whole_is_asked_for_again_and_then_is_a_fault_of_the_engine() {
        let (nothing, cut, whole) = ((200, Vec::new()), (200, archive()[..1100].to_vec()), (200, archive()));
        let files = collected(vec![nothing.clone(), cut.clone(), whole], true).await.unwrap();
        assert_eq!(files, [WHOLE]);
        for always in [nothing, cut] {
            let fault = collected(vec![always], true).await.unwrap_err();
            assert!(matches!(fault, EngineError::Api(ApiError::Cut { .. })) && fault.refusal().is_none(), "{fault:?}");
        }
    }

    #[tokio::test]
    async fn a_missing_folder_is_told_from_a_missing_container() {
        let missing = (404, br#"{"message":"Could not find the file /out in container x"}"#.to_vec());
        assert!(collected(vec![missing.clone()], true).await.unwrap().is_empty());
        assert!(collected(vec![missing], false).await.is_err());
        assert!(collected(vec![(500, b"{}".to_vec())], true).await.is_err());
    }
}
