//! A small project as a list of choices: each edit is another choice.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::digest::Sha256;

/// The choices of a project, each below [`CHOICES`]; 0 is the plain one.
pub(super) type Tree = Vec<u8>;

/// How many choices there are for each.
pub(super) const CHOICES: u8 = 4;

/// What a project has at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    File(String),
    Program(String),
    Link(String),
}

/// What is chosen, in the order of the list.
const NAMES: [&str; 48] = [
    "lib version",
    "lib release",
    "lib text",
    "lib check",
    "lib readme",
    "lib patch",
    "lib patch below",
    "lib program",
    "lib tar signed",
    "lib signatures",
    "lib gone",
    "common.inc",
    "common.inc's own",
    "needs",
    "app readme",
    "app text",
    "kmod text",
    "next text",
    "macros one",
    "macros two",
    "macro list",
    "dist",
    "checks",
    "exceptions",
    "linked folder",
    "shared one",
    "shared two",
    "shared patch",
    "link of patch",
    "p1",
    "p2",
    "flat text",
    "flat patch",
    "flat other",
    "own text",
    "own readme",
    "own lib",
    "containerfile",
    "copied",
    "not copied",
    "provides",
    "manifest",
    "other stage",
    "version macros",
    "listing",
    "listing readme",
    "new spec",
    "docs",
];
/// How many choices there are.
pub(super) const LENGTH: usize = NAMES.len();

/// The name of the choice `at`.
pub(super) fn name(at: usize) -> &'static str {
    NAMES[at]
}

/// Makes `folder` hold the project `tree`; what else is there stays, but for the files of `before`.
pub(super) fn write(folder: &Path, tree: &Tree, before: Option<&Tree>) {
    let (old, new) = (before.map(nodes).unwrap_or_default(), nodes(tree));
    for path in old.keys().filter(|path| old.get(*path) != new.get(*path)) {
        fs::remove_file(folder.join(path)).unwrap();
    }
    for (path, node) in new.iter().filter(|(path, node)| old.get(*path) != Some(node)) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match node {
            Node::File(text) => fs::write(&path, text).unwrap(),
            Node::Program(text) => {
                fs::write(&path, text).unwrap();
                fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
            }
            Node::Link(target) => symlink(target, &path).unwrap(),
        }
    }
}

fn nodes(tree: &Tree) -> BTreeMap<String, Node> {
    let of = |name: &str| tree[NAMES.iter().position(|known| *known == name).unwrap()];
    let mut nodes = BTreeMap::new();
    let mut put = |path: &str, node: Node| drop(nodes.insert(path.to_owned(), node));
    let file = |text: String| Node::File(text);
    let text = |name: &str| Node::File(format!("{name} {}\n", of(name)));
    specs(&of, &mut put);
    put("p.yaml", file(pipeline(&of)));
    put("q.yaml", file(stages(&of)));
    put("macros/one", text("macros one"));
    put("macros/two", text("macros two"));
    put("box/c", file(format!("ARG BASE\nFROM ${{BASE}}\nCOPY keys /etc/keys\nENV X={}\n", of("containerfile"))));
    put("box/keys/one", text("copied"));
    put("box/other", text("not copied"));
    put("given.txt", file(format!("# {0}\ngiven-{1}-1.noarch.rpm\n", of("manifest") % 2, of("manifest") / 2)));
    put("docs/text", text("docs"));
    nodes
}

fn specs(of: &impl Fn(&str) -> u8, put: &mut impl FnMut(&str, Node)) {
    let file = |text: String| Node::File(text);
    let text = |name: &str| Node::File(format!("{name} {}\n", of(name)));
    let spec = |name: &str, rest: &str| Node::File(format!("Name: {name}\n{rest}\n%description\nSmall.\n%files\n"));
    if of("lib gone") < 2 {
        let check = if of("lib check") < 2 { "%check\n" } else { "" };
        let rest = format!(
            "Version: 1.{}\nRelease: {}%{{?dist}}\nSource: https://a.test/lib.tar\nSource: run\nPatch: fix.patch\n\
             Patch: deep.patch\nPatch: link.patch\n{check}# {}",
            of("lib version"),
            of("lib release"),
            of("lib text")
        );
        put("SPECS/lib/lib.spec", spec("lib", &rest));
    }
    put("SPECS/lib/fix.patch", text("lib patch"));
    put("SPECS/lib/sub/deep.patch", text("lib patch below"));
    let program = "run\n".to_owned();
    put("SPECS/lib/run", if of("lib program") < 2 { file(program) } else { Node::Program(program) });
    put("SPECS/lib/link.patch", Node::Link(format!("../../shared/p{}", 1 + of("link of patch") / 2)));
    put("SPECS/lib/lib.signatures.json", file(signatures(of)));
    if of("lib readme") > 0 {
        put("SPECS/lib/README", text("lib readme"));
    }
    put("shared/p1", text("p1"));
    put("shared/p2", text("p2"));

    put(
        "SPECS/app/app.spec",
        spec("app", &format!("%include common.inc\nBuildRequires: %(cat needs)\n# {}", of("app text"))),
    );
    put("SPECS/app/common.inc", file(format!("Version: 2.{}\nRelease: 1\n%include more.inc\n", of("common.inc"))));
    put("SPECS/app/more.inc", file(format!("# {}\n", of("common.inc's own"))));
    put("SPECS/app/needs", file(format!("{}\n", ["lib", "lib >= 1", "kmod", "lib"][usize::from(of("needs"))])));
    if of("app readme") > 0 {
        put("SPECS/app/README", text("app readme"));
    }

    let kmod = format!("Version: %{{azl_lib_version}}.%{{azl_app_version}}\nRelease: 1\n# {}", of("kmod text"));
    put("SPECS/kmod/kmod.spec", spec("kmod", &kmod));
    put("SPECS/rel/rel.spec", spec("rel", "Version: 1\nRelease: %{azl_lib_release}\nBuildRequires: make"));
    let next = format!("Version: %{{azl_kmod_version}}\nRelease: 1\n# {}", of("next text"));
    put("SPECS/next/next.spec", spec("next", &next));

    put(
        "SPECS/linked",
        Node::Link(["../shared/one", "../shared/two"][usize::from(of("linked folder") / 2)].to_owned()),
    );
    for place in ["one", "two"] {
        let text = of(&format!("shared {place}"));
        let rest = format!("Version: 1\nRelease: 1\nPatch: a.patch\n# {place} {text}");
        put(&format!("shared/{place}/linked.spec"), spec("linked", &rest));
        put(&format!("shared/{place}/sub/a.patch"), file(format!("{place} {}\n", of("shared patch"))));
    }

    put(
        "SPECS/flat.spec",
        spec(
            "flat",
            &format!("Version: 1\nRelease: 1\nPatch: flat.patch\nBuildRequires: (gcc or given)\n# {}", of("flat text")),
        ),
    );
    put("SPECS/data/flat.patch", text("flat patch"));
    put("SPECS/flat.txt", text("flat other"));
    put(
        "SPECS/listing/listing.spec",
        spec("listing", &format!("Version: 1\nRelease: 1\n# %(rpm -q gcc; ls) {}", of("listing"))),
    );
    if of("listing readme") > 0 {
        put("SPECS/listing/README", text("listing readme"));
    }
    if of("new spec") > 1 {
        put("SPECS/new/new.spec", spec("new", &format!("Version: {}\nRelease: 1", of("new spec"))));
    }

    put(
        "own/SPECS/own/own.spec",
        spec("own", &format!("Version: 1\nRelease: 1\nBuildRequires: given\n# {}", of("own text"))),
    );
    put("own/SPECS/own/README", text("own readme"));
    if of("own lib") > 1 {
        put("own/SPECS/lib/lib.spec", spec("lib", &format!("Version: 9\nRelease: {}", of("own lib"))));
    }
}

fn signatures(of: &impl Fn(&str) -> u8) -> String {
    let digest = |text: String| Sha256::of_bytes(text.as_bytes());
    let tar = digest(format!("tar {}", of("lib tar signed")));
    let run = digest("run\n".to_owned());
    let more = match of("lib signatures") {
        0 => String::new(),
        1 => "\n".to_owned(),
        more => format!(", \"other\": \"{}\"", digest(more.to_string())),
    };
    format!("{{\"Signatures\": {{\"lib.tar\": \"{tar}\", \"run\": \"{run}\"{more}}}}}\n")
}

fn stages(of: &impl Fn(&str) -> u8) -> String {
    let provides = ["gcc", "gcc, make", "make, gcc", "gcc, lib-extra = 1"][usize::from(of("provides"))];
    format!(
        "name: q\ntoolchain:\n- stage: base\n  base: [{{ debootstrap: {{ suite: bookworm }} }}]\n  containerfile: box/c\n  \
         provides: [{provides}]\n  provides-manifest: given.txt\n- stage: other\n  from: base\n  install: [x{}]\n",
        of("other stage")
    )
}

fn pipeline(of: &impl Fn(&str) -> u8) -> String {
    let macro_files = ["macros/one", "macros/one, macros/two", "macros/two, macros/one", "macros/one"];
    // A name that is none of a spec is refused.
    let has_lib = of("lib gone") < 2 || of("own lib") > 1;
    let checks = if has_lib { ["", "lib", "lib, app", "app"] } else { ["", "", "app", "app"] };
    let exception = |allow: &str, reason: &str, until: &str| {
        format!("{{ spec: lib, allow: {allow}, reason: {reason}, until: {until} }}")
    };
    let exceptions = [
        String::new(),
        exception("root", "a", "2999-01-01"),
        [exception("root", "b", "2999-12-01"), exception("network-in-check", "c", "2999-01-01")].join(", "),
        exception("root", "a", "2020-01-01"),
    ];
    format!(
        "# {}\nname: p\ntoolchain-of: q.yaml\npackages:\n  toolchain: base\n  specs: [SPECS, own/SPECS]\n  \
         macros: {{ dist: .d{} }}\n  macro-files: [{}]\n  check: [{}]\n  exceptions: [{}]\n{}",
        of("docs"),
        of("dist"),
        macro_files[usize::from(of("macro list"))],
        checks[usize::from(of("checks"))],
        exceptions[usize::from(of("exceptions"))],
        if of("version macros") < 2 { "  version-macros: azl\n" } else { "" },
    )
}
