//! What the name of a generated capability tells about the package that provides it.
//!
//! In: a capability's name. Out: the files that make rpm generate it, and the names that its package commonly has. The
//! forms are those of rpm's generators
//! (<https://rpm-software-management.github.io/rpm/manual/dependency_generators.html>) and of Fedora's and Azure
//! Linux's naming rules.

use super::home::Home;
use super::{commands, glob, words};

/// The ends of the folders that Perl looks into for modules.
const PERL_FOLDERS: [&str; 6] = ["vendor_perl", "vendor_perl/#", "site_perl", "perl5", "perl5/#", "perl/#"];

/// A file whose presence in a package makes rpm generate the capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WantedFile {
    /// The end of its folder's path, or the whole path where it starts with `/`; empty when any folder will do. A part `#`
    /// stands for any version number.
    pub(super) folder: String,
    /// Its file name, without letters of a pattern.
    pub(super) name: String,
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
    /// Names of the packages that would be made for it alone, likeliest first.
    pub(super) packages: Vec<String>,
    /// Names of larger packages that may have it besides other things, likeliest first.
    pub(super) larger: Vec<String>,
    /// The thing's own name, such as `zlib` in `pkgconfig(zlib)`.
    pub(super) stem: String,
    /// The same without a version, in small letters and digits alone, and without `lib` before it.
    pub(super) whole: String,
    /// The words that it is made of, such as `gio` and `unix` in `pkgconfig(gio-unix-2.0)`.
    pub(super) words: Vec<String>,
    /// The package of a spec that has the files.
    pub(super) part: Part,
    /// True where packages are named after such things whatever their files are called.
    pub(super) is_told_by_names: bool,
    /// Where files of this kind are.
    pub(super) home: Home,
}

/// The trace of a capability, or None for a plain name, which only a spec's own words can provide.
pub(super) fn trace(capability: &str) -> Option<Trace> {
    if let Some((folder, name)) = capability.starts_with('/').then(|| capability.rsplit_once('/')).flatten() {
        let is_library = name.rsplit_once('.').is_some_and(|(_, end)| end == "so");
        let part = if folder.ends_with("/include") || is_library { Part::Devel } else { Part::Main };
        let maker = commands::maker(capability).map(str::to_owned);
        return Some(Trace::new(name, part).file(folder, name).packages(maker.into_iter().chain([name.to_owned()])));
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
    let is_told_by_names = !matches!(kind, "pkgconfig" | "cmake" | "perl");
    let trace = match kind {
        "pkgconfig" => pkgconfig_trace(inner),
        "cmake" => Trace::new(inner, Part::Devel)
            .file("", &format!("{inner}Config.cmake"))
            .file("", &format!("{lower}-config.cmake"))
            .file(&format!("cmake/{inner}"), &format!("{inner}Config.cmake"))
            .in_libraries(&format!("cmake/{inner}"), &format!("{inner}Config.cmake"))
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
            Trace::new(name, Part::Main).packages([format!("texlive-{name}")]).larger(["texlive-base".to_owned()])
        }
        "font" => {
            let name = lower.replace(' ', "-");
            let trace = Trace::new(&name, Part::Main).packages([format!("{name}-fonts"), name.clone()]);
            ["ttf", "otf", "ttc"].iter().fold(trace, |trace, kind| trace.file("", &format!("{name}.{kind}")))
        }
        "mvn" => {
            let name = inner.rsplit(':').next().unwrap_or(inner);
            Trace::new(name, Part::Main).packages([name.to_owned()])
        }
        "config" => Trace::new(inner, Part::Main).packages([inner.to_owned()]),
        _ if kind.starts_with("python") && kind.ends_with("dist") => Trace::new(&dashed, Part::Main)
            .file("site-packages", &lower.replace('-', "_"))
            .file("site-packages", &lower.replace(['-', '.'], "_"))
            .packages([format!("python3-{dashed}"), format!("python-{dashed}"), format!("python3-{lower}"), dashed]),
        _ => return None,
    };
    Some(Trace { is_told_by_names, home: Home::of(kind), ..trace })
}

fn pkgconfig_trace(module: &str) -> Trace {
    // `gtk+-3.0` is packaged as gtk3-devel, `glib-2.0` as glib2-devel.
    let (base, version) = module.rsplit_once('-').filter(|(_, end)| is_version(end)).unwrap_or((module, ""));
    let base = base.trim_end_matches('+');
    let major = version.split('.').next().unwrap_or_default();
    let stem = base.strip_prefix("lib").unwrap_or(base);
    // `libpng16` is packaged as libpng-devel.
    let bare = base.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let file = format!("{module}.pc");
    let trace = Trace { whole: words::squeezed(base), ..Trace::new(module, Part::Devel) };
    trace.file("pkgconfig", &file).in_libraries("pkgconfig", &file).file("/usr/share/pkgconfig", &file).packages([
        format!("{module}-devel"),
        format!("lib{module}-devel"),
        format!("{base}{major}-devel"),
        format!("{base}-devel"),
        format!("{stem}-devel"),
        format!("{bare}-devel"),
        module.to_owned(),
    ])
}

fn perl_trace(module: &str) -> Trace {
    let path = module.replace("::", "/");
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let parts: Vec<&str> = module.split("::").collect();
    let named = |length| format!("perl-{}", parts[..length].join("-"));
    let file = format!("{name}.pm");
    // A module of a larger distribution, or of Perl itself.
    let larger = (1..parts.len()).rev().map(named).chain(["perl".to_owned()]);
    let trace = Trace { whole: words::squeezed(module), ..Trace::new(name, Part::Main) };
    let trace = PERL_FOLDERS.iter().fold(trace, |trace, place| trace.file(&joined(place, folder), &file));
    trace.words_of(module).packages([named(parts.len())]).larger(larger)
}

/// `libz.so.1()(64bit)`: the file is `libz.so.1`.
fn library_trace(capability: &str, library: &str) -> Trace {
    let soname = capability.split('(').next().unwrap_or(capability);
    let bare = library.strip_prefix("lib").unwrap_or(library);
    let version = soname.rsplit_once(".so.").map_or("", |(_, version)| version);
    let trace = Trace { whole: words::squeezed(library), ..Trace::new(library, Part::Libs) };
    trace.file("lib64", soname).file("lib", soname).in_libraries("", soname).packages([
        library.to_owned(),
        format!("{bare}-libs"),
        bare.to_owned(),
        format!("{library}{version}"),
    ])
}

fn joined(above: &str, folder: &str) -> String {
    if folder.is_empty() { above.to_owned() } else { format!("{above}/{folder}") }
}

pub(super) fn is_version(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_digit())
        && text.chars().all(|letter| letter.is_ascii_digit() || letter == '.')
}

impl WantedFile {
    /// Whether a pattern says more than that there is some file: the same name with another end does not fit it.
    pub(super) fn is_meant_by(&self, pattern: &str) -> bool {
        let stem = self.name.rsplit_once('.').map_or(self.name.as_str(), |(stem, _)| stem);
        !glob::matches(pattern, &format!("{stem}.other"))
    }
}

impl Trace {
    fn new(stem: &str, part: Part) -> Self {
        let (files, packages, larger, words) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (stem, whole, is_told_by_names) = (stem.to_owned(), words::squeezed(stem), false);
        let home = Home::ANY;
        let trace = Self { files, packages, larger, whole, words, part, is_told_by_names, home, stem: stem.clone() };
        trace.words_of(&stem)
    }

    /// Takes the words of `name` instead of the stem's.
    fn words_of(mut self, name: &str) -> Self {
        self.words = words::shortest_forms(name);
        self
    }

    fn file(mut self, folder: &str, name: &str) -> Self {
        self.files.push(WantedFile { folder: folder.to_owned(), name: name.to_owned() });
        self
    }

    /// Adds the file in `folder` of the folders of libraries, so that it is found in what stands above these, too.
    fn in_libraries(self, folder: &str, name: &str) -> Self {
        self.file(&joined("/usr/lib64", folder), name).file(&joined("/usr/lib", folder), name)
    }

    fn packages<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        for name in names.into_iter().map(Into::into) {
            if !self.packages.contains(&name) {
                self.packages.push(name);
            }
        }
        self
    }

    fn larger(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.larger = names.into_iter().collect();
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
            ("pkgconfig(libpng16)", "pkgconfig/libpng16.pc", "libpng-devel"),
            ("perl(Foo::Bar)", "vendor_perl/Foo/Bar.pm", "perl-Foo-Bar"),
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
        assert_eq!(trace("perl(A::B::C)").unwrap().larger, ["perl-A-B", "perl-A", "perl"]);
        for plain in ["zlib", "zlib(x86-64)", "perl(:MODULE_COMPAT_5.38.2)", "rpmlib(X)"] {
            assert_eq!(trace(plain), None, "{plain}");
        }
    }
}
