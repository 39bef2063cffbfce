//! Logins at a registry, and at the server that it sends to for a token.

use super::server::{refusal, status, whole};
use super::*;

#[tokio::test]
async fn a_token_is_asked_for_with_the_users_login() {
    let (server, image, reference) = registry().await;
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"demo\"", server.host);
    server.guard("Bearer T", realm);
    server.script("GET /token", vec![whole(br#"{"token": "T"}"#); 9]);
    let place = Place::logged_in(&server.host, "me:SECRET");
    place.pull(&reference).await.unwrap();
    let asked = server.asked("GET /token").remove(0);
    assert!(asked.contains("scope=repository%3Ateam%2Ftools%3Apull&service=demo"), "{asked}");
    assert!(asked.contains("authorization: Basic bWU6U0VDUkVU"), "{asked}");
    let moved = place.push(&image, &server.reference(":2")).await.unwrap();
    assert_eq!((moved.blobs, moved.skipped), (0, 4));
    let asked = server.asked("GET /token");
    assert!(asked.iter().any(|asked| asked.contains("tools%3Apull%2Cpush")), "{asked:?}");
}

#[tokio::test]
async fn a_wrong_login_is_told_without_the_login() {
    let (server, _, reference) = registry().await;
    server.guard("Bearer T", format!("Bearer realm=\"http://{}/token\"", server.host));
    server.script("GET /token", vec![status("401 Unauthorized")]);
    let place = Place::logged_in(&server.host, "me:SECRET");
    let fault = place.pull(&reference).await.unwrap_err();
    insta::assert_snapshot!(message(&fault, &server), @r#"
    cannot pull the repository of `[HOST]/team/tools@[DIGEST]`: `[HOST]` refuses it: no login, or not the right one
    hint: log in by `docker login [HOST]` or `podman login [HOST]`, and check the name: many registries say the same of what they do not have
    "#);
    assert!(!format!("{fault:?}").contains("SECRET") && fault.is_usage());
    assert!(server.asked("GET /v2/team").is_empty());
}

#[tokio::test]
async fn a_password_is_given_where_the_registry_takes_one() {
    let (server, image, reference) = registry().await;
    server.guard("Basic bWU6U0VDUkVU", "Basic realm=\"demo\"".to_owned());
    let fault = Place::new().pull(&reference).await.unwrap_err();
    insta::assert_snapshot!(message(&fault, &server), @r#"
    cannot pull the manifest `[DIGEST]` of `[HOST]/team/tools@[DIGEST]`: `[HOST]` refuses it: no login, or not the right one
    hint: log in by `docker login [HOST]` or `podman login [HOST]`, and check the name: many registries say the same of what they do not have
    "#);
    let place = Place::logged_in(&server.host, "me:SECRET");
    assert_eq!(place.pull(&reference).await.unwrap().image, image);
    let stranger = Place::new();
    stranger.image(&["one", "two", "three"]);
    let fault = stranger.push(&image, &server.reference(":2")).await.unwrap_err();
    assert!(fault.is_usage() && fault.to_string().contains("cannot push the blob"), "{fault}");
}

/// A registry that asks for the token `T`, which its server gives for `seconds`.
async fn guarded(seconds: u64) -> (Server, String) {
    let (server, _, reference) = registry().await;
    server.guard("Bearer T", format!("Bearer realm=\"http://{}/token\"", server.host));
    server.script("GET /token", vec![whole(format!(r#"{{"token": "T", "expires_in": {seconds}}}"#).as_bytes()); 9]);
    (server, reference)
}

#[tokio::test]
async fn a_server_of_tokens_that_is_busy_or_broken_is_asked_again_and_told_as_such() {
    let (server, reference) = guarded(60).await;
    server.script_first("GET /token", vec![status("503 Service Unavailable"), refusal(429, "TOOMANYREQUESTS")]);
    let place = Place::new();
    place.pull(&reference).await.unwrap();
    assert!(place.told().contains("is asked too often"), "{}", place.told());
    server.script_first("GET /token", vec![status("502 Bad Gateway"); 3]);
    let fault = Place::new().pull(&reference).await.unwrap_err();
    insta::assert_snapshot!(message(&fault, &server), @r#"
    cannot pull the repository of `[HOST]/team/tools@[DIGEST]`: `[HOST]` has a fault of its own (HTTP 502)
    hint: try again later; whoever runs `[HOST]` finds the reason in its log
    "#);
    assert!(!fault.is_usage());
    server.script_first("GET /token", vec![whole(b"<html>"); 1]);
    let fault = Place::new().pull(&reference).await.unwrap_err();
    assert!(message(&fault, &server).contains("its server of tokens gives none"), "{fault}");
}

#[tokio::test]
async fn a_token_that_is_over_is_asked_for_again() {
    let (server, reference) = guarded(1).await;
    let place = Place::new();
    let (first, second) = place
        .with(async |access| {
            let remote = remote::Remote::open(&reference, client::Purpose::Pull, access).await.unwrap();
            let first = remote.session().await.unwrap().since;
            tokio::time::sleep(Duration::from_millis(800)).await;
            (first, remote.session().await.unwrap().since)
        })
        .await;
    assert!(first < second);
    // A registry may take back a token before its time.
    let (server_of_short, reference) = guarded(60).await;
    server_of_short.script("GET /v2/team", vec![status("401 Unauthorized")]);
    place.pull(&reference).await.unwrap();
    assert_eq!((server.asked("GET /token").len(), server_of_short.asked("GET /token").len()), (2, 2));
}

#[tokio::test]
async fn a_password_is_not_sent_in_the_clear_to_another_machine() {
    let (server, _, reference) = registry().await;
    server.guard("Bearer T", "Bearer realm=\"http://registry.example.org/token\"".to_owned());
    let fault = Place::logged_in(&server.host, "me:SECRET").pull(&reference).await.unwrap_err();
    assert!(message(&fault, &server).contains("its server of tokens is to be spoken to in plain HTTP"), "{fault}");
}
