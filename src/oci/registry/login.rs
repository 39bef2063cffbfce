//! A login at a repository: the token that the registry's challenge asks for, got with the user's name and password, and got
//! again before it ends.
//!
//! The client for blobs is given the token too, so that whatever the server of tokens says is told as it is: busy, broken,
//! or that the login is wrong.
//! Protocol: <https://distribution.github.io/distribution/spec/auth/token/>.

use std::time::Duration;

use http_auth::parser::ChallengeParser;
use oci_client::secrets::RegistryAuth;
use reqwest::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use tokio::time::Instant;

use super::Refusal;
use super::client::{LIMIT, Purpose, client, is_local};
use super::fault::RegistryFault;
use super::remote::Remote;
use super::session::Session;

/// How long a token is good for when the server does not say.
const DEFAULT_LIFE: u64 = 60;

/// What a registry wants to be shown.
enum Challenge {
    Nothing,
    Password,
    /// A token of the server at this address.
    Token(Url),
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Remote<'_> {
    /// Logs into the repository.
    pub(super) async fn log_in(&self) -> Result<Session, Box<RegistryFault>> {
        let what = "the repository";
        let since = Instant::now();
        let bearer = |token: &str| self.header(what, &format!("Bearer {token}")).map(Some);
        let (login, authorization, ends) = match (&self.login, self.challenge(what).await?) {
            (RegistryAuth::Bearer(token), _) => (self.login.clone(), bearer(token)?, None),
            (_, Challenge::Nothing) => (RegistryAuth::Anonymous, None, None),
            (_, Challenge::Password) => (self.login.clone(), self.password(what)?, None),
            (_, Challenge::Token(server)) => {
                let (token, life) = self.token(what, server).await?;
                let authorization = bearer(&token)?;
                // Whoever is asked at the last moment may find it over.
                let ends = since + Duration::from_secs(life) * 3 / 4;
                (RegistryAuth::Bearer(token), authorization, Some(ends))
            }
        };
        let registry = self.reference.resolve_registry();
        let client = client(registry, self.purpose, self.access.patience);
        client.store_auth_if_needed(registry, &login).await;
        Ok(Session { client, authorization, since, ends })
    }

    async fn challenge(&self, what: &str) -> Result<Challenge, Box<RegistryFault>> {
        let answer = self.unless_it_stalls(what, None, self.sent(what, self.http.get(self.url("")))).await?;
        let Some(header) = answer.headers().get(WWW_AUTHENTICATE).cloned() else {
            let status = answer.status();
            if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                return Err(self.refusal(what, answer).await);
            }
            // What else a registry says of its root does not matter: it is asked for what is wanted.
            return Ok(Challenge::Nothing);
        };
        let odd = |problem: &str| self.refused(what, Refusal::Answer).because(problem.to_owned());
        for challenge in ChallengeParser::new(header.to_str().unwrap_or_default()).filter_map(Result::ok) {
            let given = |name: &str| {
                let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                return Ok(Challenge::Password);
            }
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                let realm = given("realm").ok_or_else(|| odd("it asks for a token and does not say whose"))?;
                let mut server: Url = realm.parse().map_err(|_| odd("its server of tokens has no address"))?;
                let actions = if self.purpose == Purpose::Pull { "pull" } else { "pull,push" };
                let scope = format!("repository:{}:{actions}", self.reference.repository());
                server.query_pairs_mut().append_pair("scope", &scope);
                if let Some(service) = given("service") {
                    server.query_pairs_mut().append_pair("service", &service);
                }
                return Ok(Challenge::Token(server));
            }
        }
        Err(odd("it asks for a login in a way that is not known"))
    }

    /// A token, and the seconds that it is good for.
    async fn token(&self, what: &str, server: Url) -> Result<(String, u64), Box<RegistryFault>> {
        let at_home = |url: &Url| is_local(url.host_str().unwrap_or_default());
        if server.scheme() != "https" && !at_home(&server) {
            let fault = self.refused(what, Refusal::Answer);
            return Err(fault.because("its server of tokens is to be spoken to in plain HTTP".to_owned()));
        }
        let mut request = self.http.get(server);
        if let Some(password) = self.password(what)? {
            request = request.header(AUTHORIZATION, password);
        }
        let asked = async {
            let answer = self.sent(what, request).await?;
            self.content(what, answer, LIMIT).await
        };
        let bytes = self.unless_it_stalls(what, None, asked).await?;
        let odd = || self.refused(what, Refusal::Answer).because("its server of tokens gives none".to_owned());
        let Answer { token, access_token, expires_in } = serde_json::from_slice(&bytes).map_err(|_| odd())?;
        let token = token.or(access_token).filter(|token| !token.is_empty()).ok_or_else(odd)?;
        Ok((token, expires_in.filter(|seconds| *seconds > 0).unwrap_or(DEFAULT_LIFE)))
    }

    /// The user's name and password; None when there is no login.
    fn password(&self, what: &str) -> Result<Option<HeaderValue>, Box<RegistryFault>> {
        use base64::Engine as _;
        let RegistryAuth::Basic(user, password) = &self.login else { return Ok(None) };
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        self.header(what, &format!("Basic {pair}")).map(Some)
    }

    /// A header with a secret.
    fn header(&self, what: &str, text: &str) -> Result<HeaderValue, Box<RegistryFault>> {
        let wrong = |_| self.refused(what, Refusal::Answer).because("the token has odd letters".to_owned());
        let mut value = HeaderValue::from_str(text).map_err(wrong)?;
        value.set_sensitive(true);
        Ok(value)
    }
}
