//! From changed files and a graph to what is affected.

use super::parts::Parts;
use super::*;
use crate::pipeline::Packages;

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn dependants_and_images_follow_the_graph() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("SPECS");
    std::fs::create_dir(&folder).unwrap();
    for spec in ["libc", "kmod", "app", "alone"] {
        std::fs::write(folder.join(format!("{spec}.spec")), "").unwrap();
    }
    let packages = Packages { specs: vec![folder], ..Packages::default() };
    let pipeline = Pipeline { name: "p".into(), packages: Some(packages), ..Pipeline::default() };
    let root = place.path();
    let of = |path: &str, change| FileChange { path: root.join(path), before: None, change };
    let gone = of("SPECS/gone.spec", Change::Deleted);
    let files = vec![of("SPECS/libc.spec", Change::Modified), gone.clone(), of("README", Change::Modified)];
    let parts = Parts::new((root, &root.join("p.yaml")), &pipeline, &[gone]).unwrap();
    let settings = Settings { images: set(&["tools"]), ..Settings::default() };
    let (project, touched, signed) = (root.to_owned(), BTreeMap::new(), Signed::default());
    let affected = Affected { files, project, settings, touched, signed, macro_files: Vec::new(), parts };
    let needs = [("libc", &[][..]), ("kmod", &["libc"]), ("app", &["kmod"]), ("alone", &[])];
    let needs = needs.map(|(spec, needs)| (spec.to_owned(), set(needs))).into();
    let graph = BuildGraph { needs, ..BuildGraph::default() };
    let held = [("one", set(&["libc", "app"])), ("two", set(&["alone"])), ("three", set(&["alone"]))];
    let held = held.map(|(image, held)| (image.to_owned(), held)).into();
    let changed = affected.by_graph(&graph, &[], &held);
    assert_eq!((changed.files.len(), changed.other_files), (2, 1));
    assert_eq!((changed.specs, changed.removed), (set(&["libc"]), set(&["gone"])));
    let kmod = Dependant { needs: set(&["libc"]), through_others: set(&[]) };
    let app = Dependant { needs: set(&[]), through_others: set(&["libc"]) };
    assert_eq!(changed.dependants, BTreeMap::from([("kmod".to_owned(), kmod), ("app".to_owned(), app)]));
    let of = |holds: &[&str], holds_dependants: &[&str]| AffectedImage {
        itself: set(&["tools"]),
        holds: set(holds),
        holds_dependants: set(holds_dependants),
    };
    let one = ("one".to_owned(), of(&["libc"], &["app"]));
    let others = ["two", "three"].map(|name| (name.to_owned(), of(&[], &[])));
    assert_eq!(changed.images, others.into_iter().chain([one]).collect());
}
