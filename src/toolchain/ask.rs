//! Questions to an image: a shell script in a container of it, without network, and what it prints.

use std::collections::BTreeMap;

use super::StageContext;
use super::error::ToolchainError;
use crate::digest::Sha256;
use crate::engine::{
    Capabilities, ContainerSpec, Exit, GuestPath, ImageId, Limits, Network, RelativePath, Session, Stream, User,
};

/// More than the database of a whole distribution says.
const MOST_BYTES: usize = 1 << 30;

/// What an image answers.
pub(super) struct Answer {
    pub(super) exit: Exit,
    pub(super) text: String,
    /// What it wrote to stderr, without white space around it.
    pub(super) complaint: String,
}

/// Runs `script` with `arguments` as root in the image `image` of the stage `stage`.
pub(super) async fn ask(
    script: &str,
    arguments: Vec<String>,
    (stage, image): (&str, Sha256),
    context: &StageContext<'_>,
) -> Result<Answer, ToolchainError> {
    let spec = container(script, arguments, image).map_err(|error| ToolchainError::place(context, &error))?;
    let (mut answer, mut complaint) = (Vec::new(), Vec::new());
    let mut output = |stream, bytes: &[u8]| match stream {
        Stream::Stdout if answer.len() < MOST_BYTES => answer.extend_from_slice(bytes),
        Stream::Stderr if complaint.len() < 4096 => complaint.extend_from_slice(bytes),
        _ => {}
    };
    let session = Session { output: &mut output, collect: None, cancel: context.cancel };
    let exit = context.engine.run(&spec, session).await;
    let exit = exit.map_err(|source| ToolchainError::Engine { stage: stage.to_owned(), source })?;
    if exit == Exit::Cancelled {
        return Err(ToolchainError::Cancelled { stage: stage.to_owned() });
    }
    let complaint = String::from_utf8_lossy(&complaint).trim().to_owned();
    Ok(Answer { exit, text: String::from_utf8_lossy(&answer).into_owned(), complaint })
}

fn container(script: &str, arguments: Vec<String>, image: Sha256) -> Result<ContainerSpec, RelativePath> {
    let mut argv = ["sh", "-c", script, "sh"].map(str::to_owned).to_vec();
    argv.extend(arguments);
    Ok(ContainerSpec {
        image: ImageId::Stored(image),
        argv,
        env: BTreeMap::from([("LC_ALL".to_owned(), "C".to_owned())]),
        user: User::Root,
        workdir: GuestPath::new("/")?,
        mounts: Vec::new(),
        network: Network::None,
        capabilities: Capabilities::Default,
        limits: Limits::default(),
    })
}
