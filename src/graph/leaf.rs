//! The packages that may satisfy one dependency, and how sure that is.

use std::collections::HashSet;

use super::GuessReason;

/// The packages that satisfy one dependency.
pub(super) struct Leaf {
    /// The dependency as a spec writes it.
    pub(super) text: String,
    /// Numbers of binaries, best first.
    pub(super) providers: Vec<usize>,
    /// What is doubtful about that; None when a spec or a build says so.
    pub(super) doubt: Option<Doubt>,
}

impl Leaf {
    /// The leaf where the toolchain image has `installed`: what is there is used, whatever else could be built; for guesses
    /// only where no other is likelier. Else it is no candidate: it is not built, so that nothing would refute it.
    pub(super) fn beside(mut self, installed: &HashSet<usize>) -> Self {
        if let Some(&there) = self.alike().iter().find(|binary| installed.contains(binary)) {
            self.providers = vec![there];
        } else if let Some(Doubt { sure, .. }) = &mut self.doubt {
            *sure = self.providers.iter().take(*sure).filter(|binary| !installed.contains(binary)).count();
            self.providers.retain(|binary| !installed.contains(binary));
        }
        self
    }

    /// Those of the packages that are as likely as the first.
    pub(super) fn alike(&self) -> &[usize] {
        let count = self.doubt.as_ref().map_or(self.providers.len(), |doubt| doubt.alike);
        &self.providers[..count.min(self.providers.len())]
    }

    /// The packages that are told: where the first is as good as known, those alone that are as likely.
    pub(super) fn candidates(&self) -> &[usize] {
        if self.sure().is_empty() { &self.providers } else { self.alike() }
    }

    /// Those of the packages that are as good as known.
    pub(super) fn sure(&self) -> &[usize] {
        let count = self.doubt.as_ref().map_or(self.providers.len(), |doubt| doubt.sure);
        &self.providers[..count.min(self.providers.len())]
    }
}

/// What is known of packages that are only thought to provide something.
#[derive(Clone, Debug)]
pub(super) struct Doubt {
    /// What speaks for the first of them.
    pub(super) why: GuessReason,
    /// How many of them, from the first, are as good as known.
    pub(super) sure: usize,
    /// How many of them, from the first, are as likely as the first.
    pub(super) alike: usize,
}
