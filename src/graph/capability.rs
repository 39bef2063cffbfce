//! What the name of a generated capability tells about the package that provides it.
//!
//! In: a capability's name. Out: the files that make rpm generate it, and the names that its package commonly has. The
//! forms are those of rpm's generators
//! (<https://rpm-software-management.github.io/rpm/manual/dependency_generators.html>) and of Fedora's and Azure
//! Linux's naming rules.

/// A file whose presence in a package makes rpm generate the capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WantedFile {
    /// The end of its folder's path, or the whole path where it starts with `/`; empty when any folder will do.
    pub(super) folder: String,
    /// Its file name, without letters of a pattern.
    pub(super) name: String,
    /// True for a folder that holds the file among others.
    pub(super) is_folder: bool,
}

/// Which of a spec's packages has such files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The one for compiling: `-devel`.
    Devel,
    /// The one with the shared libraries: `-libs`, `lib…`.
    Libs,
    /// The one named as the spec.
    Main,
}

/// What is known of a capability from its name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    /// Files that it may come from; any of them will do.
    pub(super) files: Vec<WantedFile>,
    /// Package names that it may come from, likeliest first.
    pub(super) packages: Vec<String>,
    /// Names of larger packages that may have it where no package has the first of those names, likeliest first.
    pub(super) larger: Vec<String>,
    /// The word that names the thing, such as `zlib` in `pkgconfig(zlib)`.
    pub(super) stem: String,
    /// Words that may name the thing as well, such as `gio` in `pkgconfig(gio-2.0)`, the surest first; in lower case.
    pub(super) words: Vec<String>,
    /// The package of a spec that has the files.
    pub(super) part: Part,
}

/// The trace of a capability, or None for a plain name, which only a spec's own words can provide.
pub(super) fn trace(capability: &str) -> Option<Trace> {
    if let Some((folder, name)) = capability.starts_with('/').then(|| capability.rsplit_once('/')).flatten() {
        let is_library = name.rsplit_once('.').is_some_and(|(_, end)| end == "so");
        let part = if folder.ends_with("/include") || is_library { Part::Devel } else { Part::Main };
        return Some(Trace::new(name, part).file(folder, name).packages([name]));
    }
    if let Some((library, _)) = capability.split_once(".so") {
        return Some(library_trace(capability, library));
    }
    let (kind, rest) = capability.split_once('(')?;
    let inner = rest.strip_suffix(')')?.split('[').next()?;
    if inner.is_empty() || inner.starts_with(':') {
        return None;
    }
    let lower = inner.to_lowercase();
    let dashed = lower.replace(['_', '.'], "-");
    Some(match kind {
        "pkgconfig" => pkgconfig_trace(inner),
        "cmake" => Trace::new(inner, Part::Devel)
            .file("", &format!("{inner}Config.cmake"))
            .file("", &format!("{lower}-config.cmake"))
            .packages([format!("{inner}-devel"), format!("{lower}-devel"), format!("lib{lower}-devel"), lower]),
        "perl" => perl_trace(inner),
        "rubygem" => Trace::new(inner, Part::Main).packages([format!("rubygem-{inner}")]),
        "npm" => Trace::new(inner, Part::Main).packages([format!("nodejs-{inner}"), inner.to_owned()]),
        "crate" => {
            let name = inner.split('/').next().unwrap_or(inner);
            Trace::new(name, Part::Devel).packages([format!("rust-{name}-devel"), format!("rust-{name}")])
        }
        "tex" => {
            let name = inner.split('.').next().unwrap_or(inner);
            Trace::new(name, Part::Main).packages([format!("texlive-{name}"), "texlive-base".to_owned()])
        }
        "font" => {
            let name = lower.replace(' ', "-");
            Trace::new(&name, Part::Main).packages([format!("{name}-fonts"), name.clone()])
        }
        "mvn" => {
            let name = inner.rsplit(':').next().unwrap_or(inner);
            Trace::new(name, Part::Main).packages([name.to_owned()])
        }
        "config" => Trace::new(inner, Part::Main).packages([inner.to_owned()]),
        _ if kind.starts_with("python") && kind.ends_with("dist") => Trace::new(&dashed, Part::Main).packages([
            format!("python3-{dashed}"),
            format!("python-{dashed}"),
            format!("python3-{lower}"),
            dashed,
        ]),
        _ => return None,
    })
}

fn pkgconfig_trace(module: &str) -> Trace {
    // `gtk+-3.0` is packaged as gtk3-devel, `glib-2.0` as glib2-devel.
    let (base, version) = module.rsplit_once('-').filter(|(_, end)| is_version(end)).unwrap_or((module, ""));
    let base = base.trim_end_matches('+');
    let major = version.split('.').next().unwrap_or_default();
    let stem = base.strip_prefix("lib").unwrap_or(base);
    let first = stem.split(['-', '_']).next().unwrap_or(stem);
    // `freetype2` is freetype's, `icu-uc` is icu's.
    let words = [stem, stem.trim_end_matches(|letter: char| letter.is_ascii_digit()), first];
    Trace::new(module, Part::Devel).words(words).file("pkgconfig", &format!("{module}.pc")).packages([
        format!("{module}-devel"),
        format!("lib{module}-devel"),
        format!("{base}{major}-devel"),
        format!("{base}-devel"),
        format!("{stem}-devel"),
        module.to_owned(),
    ])
}

fn perl_trace(module: &str) -> Trace {
    let path = module.replace("::", "/");
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let parts: Vec<&str> = module.split("::").collect();
    let named = |length| format!("perl-{}", parts[..length].join("-"));
    let larger = (1..parts.len()).rev().map(named);
    // Its own package, or a module of Perl itself.
    let packages = [named(parts.len()), "perl".to_owned()];
    // Many lists have but the folder of the distribution: `%{perl_vendorlib}/Foo*`.
    let top = module.split("::").next().unwrap_or(module);
    let trace = Trace::new(name, Part::Main).file(folder, &format!("{name}.pm")).folder("vendor_perl", top);
    Trace { larger: larger.collect(), ..trace.packages(packages) }
}

/// `libz.so.1()(64bit)`: the file is `libz.so.1`.
fn library_trace(capability: &str, library: &str) -> Trace {
    let soname = capability.split('(').next().unwrap_or(capability);
    let bare = library.strip_prefix("lib").unwrap_or(library);
    let version = soname.rsplit_once(".so.").map_or("", |(_, version)| version);
    Trace::new(library, Part::Libs).file("lib64", soname).file("lib", soname).packages([
        library.to_owned(),
        format!("{bare}-libs"),
        bare.to_owned(),
        format!("{library}{version}"),
    ])
}

fn is_version(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_digit())
        && text.chars().all(|letter| letter.is_ascii_digit() || letter == '.')
}

impl Trace {
    fn new(stem: &str, part: Part) -> Self {
        let (files, packages, larger, words) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { files, packages, larger, stem: stem.to_owned(), words, part }
    }

    /// Adds the words that have three letters at least.
    fn words<'w>(mut self, words: impl IntoIterator<Item = &'w str>) -> Self {
        for word in words.into_iter().filter(|word| word.len() >= 3).map(str::to_lowercase) {
            if !self.words.contains(&word) {
                self.words.push(word);
            }
        }
        self
    }

    fn file(mut self, folder: &str, name: &str) -> Self {
        self.files.push(WantedFile { folder: folder.to_owned(), name: name.to_owned(), is_folder: false });
        self
    }

    fn folder(mut self, above: &str, name: &str) -> Self {
        self.files.push(WantedFile { folder: above.to_owned(), name: name.to_owned(), is_folder: true });
        self
    }

    fn packages<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        for name in names.into_iter().map(Into::into) {
            if !self.packages.contains(&name) {
                self.packages.push(name);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_tells_its_files_and_its_package() {
        for (capability, file, package) in [
            ("pkgconfig(zlib)", "pkgconfig/zlib.pc", "zlib-devel"),
            ("pkgconfig(glib-2.0)", "pkgconfig/glib-2.0.pc", "glib2-devel"),
            ("pkgconfig(gtk+-3.0)", "pkgconfig/gtk+-3.0.pc", "gtk3-devel"),
            ("pkgconfig(libkmod)", "pkgconfig/libkmod.pc", "kmod-devel"),
            ("perl(Foo::Bar)", "Foo/Bar.pm", "perl-Foo-Bar"),
            ("libz.so.1()(64bit)", "lib64/libz.so.1", "libz"),
            ("libcrypto.so.3(OPENSSL_3.0.0)(64bit)", "lib/libcrypto.so.3", "crypto-libs"),
            ("/usr/bin/xz", "/usr/bin/xz", "xz"),
            ("cmake(ECM)", "/ecm-config.cmake", "ecm-devel"),
        ] {
            let trace = trace(capability).unwrap();
            let files: Vec<String> = trace.files.iter().map(|file| format!("{}/{}", file.folder, file.name)).collect();
            assert!(files.contains(&file.to_owned()), "{capability}: {files:?}");
            assert!(trace.packages.contains(&package.to_owned()), "{capability}: {:?}", trace.packages);
        }
        for (capability, package) in [
            ("python3dist(ruamel.yaml)", "python3-ruamel-yaml"),
            ("python3.12dist(requests[socks])", "python3-requests"),
            ("rubygem(rake)", "rubygem-rake"),
            ("crate(syn/clone-impls)", "rust-syn-devel"),
            ("perl(A::B::C)", "perl-A-B-C"),
            ("config(sudo)", "sudo"),
        ] {
            let trace = trace(capability).unwrap();
            assert!(trace.packages.contains(&package.to_owned()), "{capability}: {:?}", trace.packages);
        }
        assert_eq!(trace("perl(A::B::C)").unwrap().larger, ["perl-A-B", "perl-A"]);
        for plain in ["zlib", "zlib(x86-64)", "perl(:MODULE_COMPAT_5.38.2)", "rpmlib(X)"] {
            assert_eq!(trace(plain), None, "{plain}");
        }
    }
}
