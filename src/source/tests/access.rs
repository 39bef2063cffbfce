//! What private mirrors are shown, and nobody else.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::server::moved;
use super::*;

const TOKEN: &str = "s3cr3t-0123456789";

fn request(mirrors: &[&str]) -> AccessRequest {
    AccessRequest { mirrors: mirrors.iter().map(ToString::to_string).collect(), ..AccessRequest::default() }
}

fn with_token(mirrors: &[&str]) -> FetchOptions {
    let request = AccessRequest { token: Some(TOKEN.into()), ..request(mirrors) };
    FetchOptions {
        access: MirrorAccess::read(&request).unwrap(),
        mirrors: request.mirrors,
        ..options(SignatureMode::Enforce)
    }
}

fn project() -> Project {
    let project = Project::new();
    project.sign_as(CONTENT);
    project
}

/// How many requests to `server` showed the token.
fn shown(server: &Server) -> usize {
    server.asked().iter().filter(|request| request.contains(&format!("Bearer {TOKEN}"))).count()
}

#[tokio::test]
async fn a_token_goes_to_its_mirror_and_not_to_where_that_redirects() {
    let elsewhere = Server::start(vec![whole(CONTENT)]).await;
    let project = project();
    let mirror = Server::start(vec![moved("/core/there"), moved(&format!("{}/x", elsewhere.url))]).await;
    let url = format!("{}/core", mirror.url);
    project.fetch(&[project.wanted(None)], &with_token(&[&url])).await.unwrap();
    assert_eq!((mirror.paths(), shown(&mirror)), (vec!["/core/demo.tar".into(), "/core/there".into()], 2));
    assert_eq!(elsewhere.paths(), ["/x"]);
    assert!(!elsewhere.asked()[0].to_lowercase().contains("authorization"), "{:?}", elsewhere.asked());
}

#[tokio::test]
async fn the_spec_s_own_url_and_other_paths_of_the_mirror_s_host_see_no_token() {
    let mirror = Server::start(vec![status("404 Not Found"), status("404 Not Found"), whole(CONTENT)]).await;
    let project = project();
    let wanted = project.wanted(Some(format!("{}/core-of-others/demo.tar", mirror.url)));
    project.fetch(&[wanted], &with_token(&[&format!("{}/core", mirror.url)])).await.unwrap();
    assert_eq!((mirror.asked().len(), shown(&mirror)), (3, 2));
    assert!(!mirror.asked()[2].contains(TOKEN), "{:?}", mirror.asked());
}

#[tokio::test]
async fn what_a_refusal_says_decides_whether_it_is_asked_again() {
    for (refusal, asked) in [
        ("401 Unauthorized", 2),
        ("403 Forbidden", 2),
        ("404 Not Found", 2),
        ("429 Too Many Requests", 8),
        ("502 Bad Gateway", 8),
    ] {
        let mirror = Server::start(vec![status(refusal); 8]).await;
        let project = project();
        let error = project.fetch(&[project.wanted(None)], &with_token(&[&mirror.url])).await.unwrap_err();
        assert_eq!(mirror.asked().len(), asked, "{refusal}");
        let told = format!("{}\n{:?}", message(&error, Path::new("/none")), project.events.lock().unwrap());
        assert!(told.contains(refusal) && !told.contains(TOKEN), "{told}");
        assert_eq!(told.contains("--source-token-file"), refusal.starts_with("401") || refusal.starts_with("403"));
    }
}

#[tokio::test]
async fn a_part_goes_on_with_the_token() {
    let mirror = Server::start(vec![cut(CONTENT, 10), rest(CONTENT, 10)]).await;
    let project = project();
    project.fetch(&[project.wanted(None)], &with_token(&[&mirror.url])).await.unwrap();
    assert_eq!((mirror.asked().len(), shown(&mirror)), (2, 2));
    assert!(mirror.asked()[1].to_lowercase().contains("range: bytes=10-"));
}

#[test]
fn what_cannot_be_right_is_told_without_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let (token, two_lines) = (file("token", TOKEN), file("two", "a\nb"));
    let fault = |request: AccessRequest| {
        let error = MirrorAccess::read(&request).unwrap_err();
        let told = format!("{error}\nhint: {}", error.hint().unwrap_or_default());
        assert!(!told.contains(TOKEN), "{told}");
        told.replace(&folder.path().display().to_string(), "[DIR]")
    };
    let of = |mirrors: &[&str], url: Option<&str>, path: &Path| {
        let token_files = vec![(url.map(str::to_owned), path.to_owned())];
        fault(AccessRequest { token_files, ..request(mirrors) })
    };
    let mirrors = ["https://a.test/x", "https://b.test/x?sig=abc"];
    insta::assert_snapshot!(of(&mirrors, None, &token), @"
    `[DIR]/token` belongs to one mirror, and there are mirrors of several hosts
    hint: say which one: `--source-token-file URL=FILE`, with a URL as `--source-url` has it
    ");
    insta::assert_snapshot!(of(&mirrors, Some("https://c.test/"), &token), @"
    `[DIR]/token` is for `https://c.test/`, which is no mirror of this run
    hint: say which one: `--source-token-file URL=FILE`, with a URL as `--source-url` has it
    ");
    insta::assert_snapshot!(of(&[], None, &token), @"
    a token, a client certificate or a certificate to trust is given, and no mirror to use it for
    hint: name the mirror with `--source-url URL`
    ");
    insta::assert_snapshot!(of(&["http://a.test/x?sig=abc"], None, &token), @"
    the token for `http://a.test/x?***` would be readable for everybody on its way
    hint: use the mirror's `https` URL
    ");
    assert!(of(&["https://a.test"], None, &two_lines).starts_with("`[DIR]/two` holds no token"));
    assert!(of(&["https://a.test"], None, &folder.path().join("none")).starts_with("cannot read `[DIR]/none`"));
    let trusted = Some(token.clone());
    let told = fault(AccessRequest { trusted, ..request(&["https://a.test"]) });
    assert!(told.starts_with("`[DIR]/token` holds no certificate in PEM format"), "{told}");
    let of_one = AccessRequest { token: Some(TOKEN.into()), ..request(&["https://a.test/x", "https://a.test/y"]) };
    assert!(!format!("{:?}", MirrorAccess::read(&of_one).unwrap()).contains(TOKEN));
    let unused = AccessRequest { token: Some(TOKEN.into()), ..request(&[]) };
    assert!(MirrorAccess::read(&unused).is_ok(), "the variable may be there for other runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_mirror_whose_answer_is_accepted_gives_the_file() {
    let (wrong, right) = (Server::start(vec![whole(b"a page")]).await, Server::start(vec![whole(CONTENT)]).await);
    let (project, files) = (project(), ["a.src.rpm".to_owned(), "b.src.rpm".to_owned()]);
    let accept = |at: usize, path: &Path| {
        let is_right = at == 0 && std::fs::read(path).unwrap() == CONTENT;
        if is_right { Ok(()) } else { Err("it is something else".to_owned()) }
    };
    let report = |_: Event| {};
    let options = with_token(&[&wrong.url]);
    let options = FetchOptions { mirrors: vec![wrong.url.clone(), right.url.clone()], ..options };
    let layout = project.layout();
    let given = (&options, &layout, &report as Report<'_>);
    let found = first_accepted(&files[..1], &accept, given).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().url, format!("{}/a.src.rpm", right.url));
    assert_eq!(project.cached(), [Sha256::of_bytes(CONTENT).to_string()], "what is not accepted is not kept");
    assert_eq!((shown(&wrong), shown(&right)), (1, 0));
    let missing = first_accepted(&files[1..], &accept, given).await.unwrap().remove(0).unwrap_err();
    let tried: Vec<&str> = missing.iter().map(|tried| tried.reason.as_str()).collect();
    assert_eq!(tried, ["404 Not Found", "404 Not Found"]);
}

/// Answers every connection with `CONTENT`, to clients with a certificate of our authority alone.
async fn tls_server() -> String {
    let chain = |name: &str| {
        let path = format!("tests/fixtures/tls/{name}.pem");
        CertificateDer::pem_file_iter(path).unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    let mut roots = RootCertStore::empty();
    roots.add(chain("ca").remove(0)).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
    let key = PrivateKeyDer::from_pem_file("tests/fixtures/tls/server.key").unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_client_cert_verifier(clients).with_single_cert(chain("server"), key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(&whole(CONTENT)).await;
            let _ = stream.shutdown().await;
        }
    });
    url
}

#[tokio::test]
async fn a_mirror_of_a_private_authority_is_shown_the_client_certificate() {
    let url = tls_server().await;
    let pem = |name: &str| PathBuf::from("tests/fixtures/tls").join(name);
    let fetch = async |client: bool, trusted: bool| {
        let request = AccessRequest {
            client: client.then(|| (pem("client.pem"), pem("client.key"))),
            trusted: trusted.then(|| pem("ca.pem")),
            ..request(&[&url])
        };
        let access = MirrorAccess::read(&request).unwrap();
        let options = FetchOptions { access, mirrors: request.mirrors, ..options(SignatureMode::Enforce) };
        let project = project();
        project.fetch(&[project.wanted(None)], &options).await.map(|found| found.files.len()).map_err(|e| e.to_string())
    };
    assert_eq!(fetch(true, true).await, Ok(1));
    let untrusted = fetch(true, false).await.unwrap_err();
    assert!(untrusted.contains("invalid peer certificate: UnknownIssuer"), "{untrusted}");
    let unknown = fetch(false, true).await.unwrap_err();
    assert!(unknown.to_lowercase().contains("certificate"), "{unknown}");
}
