//! Where files are copied to in an image, as `docker build` has it: links among the folders of the destination are
//! followed, and a file that is copied to a folder goes into it. Without that, the layer would put a folder or a file in
//! the place of a link such as `/bin`, and hide what it leads to.

use std::io;

use super::StageContext;
use super::ask::ask;
use super::error::ToolchainError;
use crate::digest::Sha256;

const SCRIPT: &str = include_str!("place.sh");

/// Where a copy goes.
pub(super) struct Place {
    /// Absolute, without links among its folders; a folder when it ends in `/`.
    pub(super) path: String,
    /// Those of the copied folders that are links or files in the image.
    pub(super) no_folders: Vec<String>,
}

/// The place of `to`, an absolute path, in an image; `folders` are copied, relative to it.
pub(super) async fn find(
    to: &str,
    folders: Vec<String>,
    image: (&str, Sha256),
    context: &StageContext<'_>,
) -> Result<Place, ToolchainError> {
    let path = to.trim_end_matches('/');
    let mut arguments = vec![if path.is_empty() { "/" } else { path }.to_owned()];
    arguments.extend(folders);
    let answer = ask(SCRIPT, arguments, image, context).await?;
    let mut lines = answer.text.lines().map(str::to_owned);
    match lines.next().filter(|_| answer.exit.is_success()) {
        Some(mut path) => {
            if to.ends_with('/') && !path.ends_with('/') {
                path.push('/');
            }
            Ok(Place { path, no_folders: lines.collect() })
        }
        None => Err(ToolchainError::File {
            operation: "find in the image",
            path: to.into(),
            source: io::Error::other(format!("the shell ended with {}: {}", answer.exit, answer.complaint)),
        }),
    }
}
