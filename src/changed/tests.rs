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
    let file = |path: &str, part: Part| ChangedFile {
        path: path.into(),
        before: None,
        change: Change::Modified,
        part_of: BTreeSet::from([part]),
    };
    let affected = Affected {
        files: vec![
            file("SPECS/libc.spec", Part::Spec("libc".into())),
            file("SPECS/gone.spec", Part::Spec("gone".into())),
            file("images/two.json", Part::Image("two".into())),
        ],
        other_files: 3,
        everything: BTreeSet::new(),
        images: BTreeSet::new(),
        parts: Parts::new(&place.path().join("p.yaml"), &pipeline, &[]).unwrap(),
    };
    let needs = [("libc", &[][..]), ("kmod", &["libc"]), ("app", &["kmod"]), ("alone", &[])];
    let needs = needs.map(|(spec, needs)| (spec.to_owned(), set(needs))).into();
    let graph = BuildGraph { needs, ..BuildGraph::default() };
    let held = [("one", set(&["libc", "app"])), ("two", set(&["alone"])), ("three", set(&["alone"]))];
    let held = held.map(|(image, held)| (image.to_owned(), held)).into();
    let changed = affected.by_graph(&graph, &held);
    assert_eq!((changed.specs, changed.removed), (set(&["libc"]), set(&["gone"])));
    let kmod = Dependant { needs: set(&["libc"]), through_others: set(&[]) };
    let app = Dependant { needs: set(&[]), through_others: set(&["libc"]) };
    assert_eq!(changed.dependants, BTreeMap::from([("kmod".to_owned(), kmod), ("app".to_owned(), app)]));
    let one = AffectedImage { itself: set(&[]), holds: set(&["libc"]), holds_dependants: set(&["app"]) };
    let two = AffectedImage { itself: set(&["`images/two.json`"]), ..AffectedImage::default() };
    assert_eq!(changed.images, BTreeMap::from([("one".to_owned(), one), ("two".to_owned(), two)]));
}
