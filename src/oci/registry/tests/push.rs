//! Images given to a registry, with what is said of them.

use super::server::{Server, answer_of, refusal, status, whole};
use super::*;
use crate::oci::{Artifact, Companion, Remark};

const KINDS: [&str; 1] = ["text/x-test"];

fn artifact(content: &str) -> Artifact<'_> {
    let annotations = [("a".to_owned(), content.to_owned())].into();
    Artifact { artifact_type: "text/x-test", media_type: "text/plain", content: content.as_bytes(), annotations }
}

#[tokio::test]
async fn a_push_sends_what_is_not_there_and_no_more() {
    let (server, place) = (Server::start().await, Place::new());
    let first = place.image(&["one", "two", "three"]);
    let second = place.image(&["one", "two", "four"]);
    let moved = place.push(&first, &server.reference(":1")).await.unwrap();
    assert_eq!((moved.blobs, moved.skipped), (4, 0));
    let posts = |server: &Server| server.asked("POST").len();
    server.script("POST", vec![status("503 Service Unavailable")]);
    let moved = place.push(&second, &server.reference(":1")).await.unwrap();
    assert_eq!((moved.blobs, moved.skipped, posts(&server)), (2, 2, 4 + 2 + 1));
    let manifest = std::fs::read(place.store.blob_path(second.manifest)).unwrap();
    assert_eq!(server.kept("manifests/1"), Some(manifest.clone()));
    assert_eq!(server.kept(&format!("manifests/{}", second.manifest.to_oci())), Some(manifest));
    let exact = server.reference(&format!("@{}", first.manifest.to_oci()));
    assert_eq!(place.push(&first, &exact).await.unwrap(), Moved { blobs: 0, bytes: 0, skipped: 4 });
    let fault = place.push(&second, &exact).await.unwrap_err();
    assert!(fault.to_string().contains("the image to push is"), "{fault}");
}

#[tokio::test]
async fn a_damaged_blob_of_the_store_is_not_blamed_on_the_registry() {
    let (server, place) = (Server::start().await, Place::new());
    let image = place.image(&["one"]);
    let path = place.store.blob_path(image.layers[0].digest);
    let length = std::fs::metadata(&path).unwrap().len();
    std::fs::write(&path, vec![0; usize::try_from(length).unwrap()]).unwrap();
    let fault = place.push(&image, &server.reference(":1")).await.unwrap_err();
    assert!(matches!(fault, OciError::DamagedBlob { .. }), "{fault}");
    assert_eq!(server.kept("manifests/1"), None);
}

#[tokio::test]
async fn artifacts_are_listed_under_a_tag_where_the_registry_does_not_list_them() {
    let (server, place) = (Server::start().await, Place::new());
    let image = place.image(&["one"]);
    let tag = format!("manifests/sha256-{}", image.manifest);
    let reference = server.reference(&format!("@{}", image.manifest.to_oci()));
    let first = place.store.attach(image.manifest, &artifact("first")).unwrap();
    place.push(&image, &reference).await.unwrap();
    let listed = String::from_utf8(server.kept(&tag).unwrap()).unwrap();
    insta::assert_snapshot!(listed.replace(&first.to_string(), "[DIGEST]"), @r#"{"manifests":[{"annotations":{"a":"first"},"artifactType":"text/x-test","digest":"sha256:[DIGEST]","mediaType":"application/vnd.oci.image.manifest.v1+json","size":577}],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}"#);
    // Another store knows only its own; an odd answer of the registry counts as not knowing the request.
    let other = Place::new();
    other.image(&["one"]);
    let second = other.store.attach(image.manifest, &artifact("second")).unwrap();
    server.script("GET /v2/team/tools/referrers/", vec![refusal(400, "UNSUPPORTED")]);
    other.push(&image, &reference).await.unwrap();
    let listed = String::from_utf8(server.kept(&tag).unwrap()).unwrap();
    assert!(listed.contains(&first.to_oci()) && listed.contains(&second.to_oci()), "{listed}");
    let found = Place::new();
    let pulled = found.with(async |access| referrers(&reference, &found.store, &KINDS, access).await).await.unwrap();
    let mut manifests = [first, second];
    manifests.sort();
    assert_eq!(pulled.0.iter().map(|one| one.manifest).collect::<Vec<_>>(), manifests);
    assert_eq!(pulled.0, found.store.referrers(image.manifest).unwrap());
    assert!(pulled.0.iter().all(|one| !one.made_here), "what is pulled was made elsewhere");
    assert_eq!(pulled.1.blobs, 3, "two documents and one empty configuration");
}

#[tokio::test]
async fn a_registry_that_lists_artifacts_itself_gets_no_tag() {
    let (server, place) = (Server::start().await, Place::new());
    let image = place.image(&["one"]);
    let artifact = place.store.attach(image.manifest, &artifact("first")).unwrap();
    let entry = place.store.index_entry(artifact, None).unwrap();
    let list = crate::oci::index::index_json(vec![entry]).unwrap();
    server.script("GET /v2/team/tools/referrers/", vec![whole(&list)]);
    place.push(&image, &server.reference(":1")).await.unwrap();
    assert!(server.kept(&format!("manifests/{}", artifact.to_oci())).is_some());
    assert_eq!(server.kept(&format!("manifests/sha256-{}", image.manifest)), None);
}

#[tokio::test]
async fn an_artifact_is_what_its_manifest_says_whatever_the_list_says() {
    let (server, place) = (Server::start().await, Place::new());
    let image = place.image(&["one"]);
    let artifact = place.store.attach(image.manifest, &artifact("first")).unwrap();
    place.push(&image, &server.reference(":1")).await.unwrap();
    let mut entry = place.store.index_entry(artifact, None).unwrap();
    entry.set_artifact_type(Some("application/vnd.oci.empty.v1+json".into()));
    let list = crate::oci::index::index_json(vec![entry]).unwrap();
    server.script("GET /v2/team/tools/referrers/", vec![whole(&list), whole(&list)]);
    let (exact, found) = (server.reference(&format!("@{}", image.manifest.to_oci())), Place::new());
    let pull =
        async |kind| found.with(async |access| referrers(&exact, &found.store, &[kind], access).await).await.unwrap().0;
    assert_eq!(pull("application/vnd.oci.empty.v1+json").await, []);
    let pulled = pull("text/x-test").await;
    assert_eq!(pulled.iter().map(|one| one.manifest).collect::<Vec<_>>(), [artifact]);
}

#[tokio::test]
async fn remarks_of_two_stores_come_together_in_the_registry() {
    let (server, place, other) = (Server::start().await, Place::new(), Place::new());
    let image = place.image(&["one"]);
    other.image(&["one"]);
    let remark = |content: &str| Remark {
        media_type: "text/plain".to_owned(),
        content: content.into(),
        annotations: [("by".to_owned(), content.to_owned())].into(),
    };
    for (place, content) in [(&place, "first"), (&other, "second")] {
        place.store.remark(image.manifest, Companion::Signatures, &remark(content)).unwrap();
        place.push(&image, &server.reference(":1")).await.unwrap();
    }
    let tag = format!("manifests/{}", Companion::Signatures.tag(image.manifest));
    let before = server.kept(&tag).unwrap();
    other.push(&image, &server.reference(":1")).await.unwrap();
    assert_eq!(server.kept(&tag).unwrap(), before);
    let exact = server.reference(&format!("@{}", image.manifest.to_oci()));
    let found = Place::new();
    let pull = async |kind| found.with(async |access| companion(&exact, &found.store, kind, access).await).await;
    assert!(pull(Companion::Signatures).await.unwrap());
    assert!(!pull(Companion::Attestations).await.unwrap());
    let remarks = found.store.remarks(image.manifest, Companion::Signatures).unwrap();
    assert_eq!(remarks, [remark("first"), remark("second")]);
    assert_eq!(found.store.find(&Companion::Signatures.tag(image.manifest)).unwrap(), Some(Sha256::of_bytes(&before)));
}

#[tokio::test]
async fn what_others_have_written_into_the_list_of_artifacts_stays() {
    let (server, place) = (Server::start().await, Place::new());
    let image = place.image(&["one"]);
    let own = place.store.attach(image.manifest, &artifact("first")).unwrap();
    let (tag, reference) = (format!("manifests/sha256-{}", image.manifest), server.reference(":1"));
    let theirs = format!(
        r#"{{"annotations":{{"by":"them"}},"manifests":[{{"digest":"sha512:{}","size":1}}],"schemaVersion":2}}"#,
        "0".repeat(128)
    );
    server.keep(&tag, theirs.clone());
    // A refusal is not an empty list.
    let list = format!("GET /v2/team/tools/{tag}");
    server.script(&list, vec![refusal(429, "TOOMANYREQUESTS"); 3]);
    let fault = place.push(&image, &reference).await.unwrap_err();
    assert!(matches!(&fault, OciError::Registry(fault) if fault.refusal == Refusal::TooOften), "{fault}");
    assert_eq!(server.kept(&tag).as_deref(), Some(theirs.as_bytes()));
    assert_eq!(server.kept("manifests/1"), None, "the tag comes last");
    place.push(&image, &reference).await.unwrap();
    let listed = String::from_utf8(server.kept(&tag).unwrap()).unwrap();
    assert!(listed.contains(r#"{"by":"them"}"#) && listed.contains("sha512:0") && listed.contains(&own.to_oci()));
    server.keep(&tag, "{}");
    let fault = place.push(&image, &reference).await.unwrap_err();
    assert!(fault.to_string().contains("ours is not written over it"), "{fault}");
    assert_eq!(server.kept(&tag).as_deref(), Some(b"{}".as_slice()));
}

#[tokio::test]
async fn what_cannot_be_understood_of_what_others_say_is_left_out() {
    let (server, place) = (Server::start().await, Place::new());
    let image = place.image(&["one"]);
    let [first, second] = ["first", "second"].map(|one| place.store.attach(image.manifest, &artifact(one)).unwrap());
    place.push(&image, &server.reference(":1")).await.unwrap();
    let entry = |digest: &str| format!(r#"{{"mediaType":"a/b","size":2,"digest":"{digest}"}}"#);
    server.keep("manifests/sha256:index", r#"{"schemaVersion":2,"manifests":[]}"#);
    let index = Sha256::of_bytes(br#"{"schemaVersion":2,"manifests":[]}"#).to_oci();
    server.keep(format!("manifests/{index}"), r#"{"schemaVersion":2,"manifests":[]}"#);
    let gone = format!("sha256:{}", "0".repeat(64));
    let odd = [entry(&gone), entry(&index), entry(&format!("sha512:{}", "0".repeat(128))), "7".to_owned()];
    let page = |entries: &[String]| format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
    // The list comes in two pages.
    let (head, tail) = (page(&[&odd[..], &[entry(&first.to_oci())]].concat()), page(&[entry(&second.to_oci())]));
    let line = "200 OK\r\nLink: </v2/team/tools/referrers/next?n=2>; rel=\"next\"";
    server.script("GET /v2/team/tools/referrers/next", vec![whole(tail.as_bytes())]);
    server.script("GET /v2/team/tools/referrers/", vec![answer_of(line, head.as_bytes(), head.len())]);
    let (exact, found) = (server.reference(&format!("@{}", image.manifest.to_oci())), Place::new());
    let pulled = found.with(async |access| referrers(&exact, &found.store, &KINDS, access).await).await.unwrap();
    let mut wanted = [first, second];
    wanted.sort();
    assert_eq!(pulled.0.iter().map(|one| one.manifest).collect::<Vec<_>>(), wanted);
    assert_eq!(found.told().matches("left out of what is said of").count(), odd.len(), "{}", found.told());
    // A page of another server is not asked for: it would be shown the login.
    let line = "200 OK\r\nLink: <http://127.0.0.1:1/next>; rel=next";
    server.script("GET /v2/team/tools/referrers/", vec![answer_of(line, head.as_bytes(), head.len())]);
    let pulled = found.with(async |access| referrers(&exact, &found.store, &KINDS, access).await).await.unwrap();
    assert!(pulled.0.is_empty() && found.told().contains("its next page is of another server"), "{}", found.told());
}

#[tokio::test]
async fn a_registry_need_not_say_where_a_manifest_went() {
    let (server, place) = (Server::start().await, Place::new());
    let image = place.image(&["one"]);
    server.script("PUT /v2/team/tools/manifests/", vec![status("201 Created"); 2]);
    place.push(&image, &server.reference(":1")).await.unwrap();
    let asked = server.asked("PUT /v2/team/tools/manifests/");
    assert!(asked.len() == 2 && asked[1].contains("manifests/1 "), "{asked:?}");
}

#[tokio::test]
async fn a_document_without_end_is_not_taken() {
    let (server, _, reference) = registry().await;
    server.script("GET /v2/team/tools/manifests/", vec![whole(&vec![b' '; client::LIMIT + 1])]);
    let fault = Place::new().pull(&reference).await.unwrap_err();
    assert!(message(&fault, &server).contains("it has more than 4 MiB"), "{fault}");
}
