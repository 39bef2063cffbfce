//! Which product an engine is.

/// Whose socket is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Flavor {
    /// Docker, or what answers in its place.
    Docker,
    /// Podman.
    Podman,
}

impl Flavor {
    /// The name for people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Docker => "Docker",
            Self::Podman => "Podman",
        }
    }
}
