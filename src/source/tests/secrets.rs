//! What is told to nobody: files that are not of the checkout, and passwords in addresses.

use std::os::unix::fs::symlink;

use super::*;

const SECRET: &[u8] = b"a key of this user";

/// A project with a link `demo.tar` beside its spec.
fn with_link(target: &str) -> Project {
    let project = Project::new();
    std::fs::write(project.path("secret"), SECRET).unwrap();
    symlink(target, project.path("SPECS/demo/demo.tar")).unwrap();
    project
}

fn in_checkout(project: &Project, mode: SignatureMode) -> FetchOptions {
    FetchOptions { checkout: Checkout::new([project.path("SPECS").as_path()]), ..options(mode) }
}

#[tokio::test]
async fn a_link_out_of_the_checkout_is_no_source_in_any_mode() {
    let project = with_link("../../secret");
    for mode in [SignatureMode::Enforce, SignatureMode::Skip, SignatureMode::Update] {
        let error = project.fetch(&[project.wanted(None)], &in_checkout(&project, mode)).await.unwrap_err();
        let told = message(&error, project.folder.path());
        assert!(!told.contains(&Sha256::of_bytes(SECRET).to_string()), "{told}");
        insta::allow_duplicates! { insta::assert_snapshot!(told, @"
        1 source file is not at hand
          `[ROOT]/SPECS/demo/demo.spec`: `demo.tar`: `[ROOT]/SPECS/demo/demo.tar` is a link to `../../secret`, which is outside of the checkout
        hint: put the file itself into the checkout, or name its folder among the folders of specs
        ") };
    }
    let checkout = in_checkout(&project, SignatureMode::Enforce).checkout;
    let (sources, problems) = signed(&[project.wanted(None)], &checkout, &project.layout(), &|_| {}).await.unwrap();
    assert!(sources.files.is_empty() && matches!(problems[0].wrong, Wrong::Outside { .. }));
}

#[tokio::test]
async fn a_link_within_the_checkout_is_followed_and_so_is_one_below_the_spec() {
    let project = with_link("../common/demo.tar");
    project.sign_as(CONTENT);
    std::fs::create_dir(project.path("SPECS/common")).unwrap();
    std::fs::write(project.path("SPECS/common/demo.tar"), CONTENT).unwrap();
    let of = async |project: &Project| {
        project.fetch(&[project.wanted(None)], &in_checkout(project, SignatureMode::Enforce)).await
    };
    assert_eq!(of(&project).await.unwrap().files.len(), 1);
    std::fs::create_dir(project.path("SPECS/demo/more")).unwrap();
    std::fs::rename(project.path("SPECS/demo/demo.tar"), project.path("SPECS/demo/more/demo.tar")).unwrap();
    assert!(message(&of(&project).await.unwrap_err(), project.folder.path()).contains("is nowhere"), "it dangles");
    let deep = project.path("SPECS/demo/more/demo.tar");
    std::fs::remove_file(&deep).unwrap();
    symlink("../../../secret", &deep).unwrap();
    assert!(of(&project).await.unwrap_err().to_string().contains("is outside of the checkout"));
}

#[tokio::test]
async fn a_link_to_nothing_is_told_as_such() {
    let project = with_link("../gone.tar");
    let told = async || {
        let wanted = [project.wanted(None)];
        let error = project.fetch(&wanted, &in_checkout(&project, SignatureMode::Enforce)).await.unwrap_err();
        message(&error, project.folder.path())
    };
    let link = "`[ROOT]/SPECS/demo/demo.tar` is a link to `../gone.tar`, which is not there";
    assert!(told().await.contains(&format!("`demo.tar`: {link}")), "{}", told().await);
    project.sign_as(CONTENT);
    assert!(
        told()
            .await
            .contains(&format!("is nowhere (digest {})\n    beside the spec: {link}", Sha256::of_bytes(CONTENT)))
    );
}

#[tokio::test]
async fn signatures_are_not_read_through_a_link_out_of_the_checkout() {
    let project = Project::new();
    std::fs::write(project.path("secret"), SECRET).unwrap();
    symlink("../../secret", project.path("SPECS/demo/demo.signatures.json")).unwrap();
    let error = project.fetch(&[project.wanted(None)], &in_checkout(&project, SignatureMode::Enforce)).await;
    let told = message(&error.unwrap_err(), project.folder.path());
    assert!(told.contains("demo.signatures.json` is a link to `../../secret`, which is outside"), "{told}");
}

#[tokio::test]
async fn no_message_has_what_is_secret_in_an_address() {
    let answers = vec![
        status("503 Service Unavailable"),
        status("404 Not Found"),
        status("404 Not Found"),
        whole(b"evil"),
        status("404 Not Found"),
        status("404 Not Found"),
    ];
    let server = Server::start(answers).await;
    let project = Project::new();
    project.sign_as(CONTENT);
    let secret =
        |path: &str, query: &str| format!("{}/{path}{query}", server.url.replace("http://", "http://me:PASS@"));
    let archive = Archive {
        base_url: secret("debian", ""),
        suite: "s".into(),
        components: vec!["main".into()],
        trust: Trust::Anyone,
    };
    let with_secrets = FetchOptions {
        mirrors: vec![secret("core", "?sig=SIGN"), "ftp://me:PASS@x.test/".into(), "http://me:PASS@x:y/".into()],
        archives: vec![archive],
        ..options(SignatureMode::Enforce)
    };
    let wanted = project.wanted(Some(secret("own/demo.tar", "?sig=SIGN")));
    let error = project.fetch(&[wanted], &with_secrets).await.unwrap_err();
    let told = format!("{}\n{:?}", message(&error, Path::new("/none")), project.events.lock().unwrap());
    assert!(!told.contains("PASS") && !told.contains("SIGN"), "{told}");
    assert!(told.contains("http://***@127.0.0.1") && told.contains("/own/demo.tar?***"), "{told}");
    assert!(told.contains("ftp://***@x.test/") && told.contains("http://***@x:y/"), "{told}");
    let request = &server.asked()[0];
    assert!(request.contains("/core/demo.tar?sig=SIGN") && request.to_lowercase().contains("authorization: basic"));

    let server = Server::start(vec![whole(CONTENT)]).await;
    let url = format!("{}/demo.tar?sig=SIGN", server.url.replace("http://", "http://me:PASS@"));
    project.fetch(&[project.wanted(Some(url))], &options(SignatureMode::Enforce)).await.unwrap();
    let told = format!("{:?}", project.events.lock().unwrap().last());
    assert!(told.contains("SourceFetched") && !told.contains("PASS") && !told.contains("SIGN"), "{told}");
}
