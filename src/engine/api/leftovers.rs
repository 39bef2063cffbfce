//! What a run makes in the engine and must not leave there: containers and volumes, noted before they are made.
//!
//! [`Leftovers::remove`] is awaited at the end of every run, also of one that failed. When the run's future is dropped
//! instead, the removal goes on in the background; when the whole process is killed, the next sweep finds them.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as Bollard;
use bollard::query_parameters::{RemoveContainerOptionsBuilder, RemoveVolumeOptionsBuilder};

/// Something in the engine that has to go.
#[derive(Clone, Debug)]
pub(super) enum Leftover {
    /// A container, by name or ID; running or not.
    Container(String),
    /// A volume, by name; removed after the containers that use it.
    Volume(String),
}

/// All that one run made.
pub(super) struct Leftovers {
    docker: Docker,
    things: Vec<Leftover>,
}

impl Leftovers {
    /// Nothing yet.
    pub(super) fn new(docker: Docker) -> Self {
        Self { docker, things: Vec::new() }
    }

    /// Notes something that is about to be made.
    pub(super) fn note(&mut self, thing: Leftover) {
        self.things.push(thing);
    }

    /// Removes everything, last made first; what cannot be removed is left to the next sweep.
    pub(super) async fn remove(&mut self) {
        while let Some(thing) = self.things.last() {
            remove(&self.docker, thing).await;
            self.things.pop();
        }
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        let things = std::mem::take(&mut self.things);
        if things.is_empty() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let docker = self.docker.clone();
            runtime.spawn(async move {
                for thing in things.iter().rev() {
                    // The request that makes it may have been under way when the run was dropped.
                    if !remove(&docker, thing).await {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        remove(&docker, thing).await;
                    }
                }
            });
        }
    }
}

/// Removes `thing`; false when it was not there.
pub(super) async fn remove(docker: &Docker, thing: &Leftover) -> bool {
    let outcome = match thing {
        Leftover::Container(name) => {
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            docker.remove_container(name, Some(options)).await
        }
        Leftover::Volume(name) => {
            docker.remove_volume(name, Some(RemoveVolumeOptionsBuilder::default().force(true).build())).await
        }
    };
    match outcome {
        Err(Bollard::DockerResponseServerError { status_code: 404, .. }) => false,
        // 409: somebody else is removing it.
        Ok(()) | Err(Bollard::DockerResponseServerError { status_code: 409, .. }) => true,
        Err(error) => {
            tracing::warn!(?thing, %error, "not removed; the next sweep tries again");
            true
        }
    }
}
