//! What something provides: capabilities, found by their name.

use super::Capability;

/// Provides in the order of their names; those of one name in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provides(Vec<Capability>);

impl Provides {
    /// Those of the name, in whatever version.
    pub fn named(&self, name: &str) -> &[Capability] {
        let start = self.0.partition_point(|one| one.name.as_str() < name);
        let count = self.0[start..].partition_point(|one| one.name == name);
        &self.0[start..start + count]
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Capability> {
        self.0.iter()
    }
}

impl Extend<Capability> for Provides {
    fn extend<T: IntoIterator<Item = Capability>>(&mut self, more: T) {
        self.0.extend(more);
        self.0.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

impl FromIterator<Capability> for Provides {
    fn from_iter<T: IntoIterator<Item = Capability>>(all: T) -> Self {
        let mut found = Self::default();
        found.extend(all);
        found
    }
}

impl<'a> IntoIterator for &'a Provides {
    type Item = &'a Capability;
    type IntoIter = std::slice::Iter<'a, Capability>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_versions_of_a_name_are_found() {
        let text = ["gcc = 12", "bash", "gcc = 11", "gcc-c++", "zlib"];
        let all: Provides = text.iter().map(|text| Capability::parse(text)).collect();
        let named = |name| all.named(name).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(named("gcc"), ["gcc = 12", "gcc = 11"]);
        assert_eq!(named("bash"), ["bash"]);
        assert_eq!(named("zlib"), ["zlib"]);
        assert_eq!(named("gc"), Vec::<String>::new());
        assert_eq!(named("zz"), Vec::<String>::new());
    }
}
