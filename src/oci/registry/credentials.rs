//! The logins that the user's other tools keep: `config.json` of Docker, `auth.json` of Podman and Skopeo, and the
//! `docker-credential-…` programs that they name.
//!
//! Files are read when a registry is asked, the first that knows it counts. No secret gets into a log or an error: of a
//! file that cannot be read only the place is told, of a helper only its exit status.
//! Formats: <https://docs.docker.com/reference/cli/docker/login/#credential-stores>,
//! <https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md>.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci_client::Reference;
use oci_client::secrets::RegistryAuth;
use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::oci::OciError;
use crate::regular;

/// What a registry takes as the user's name when the secret is an identity token.
const TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";
/// What helpers and files give as the user's name of an identity token.
const NO_USER: &str = "<token>";
/// The key under which Docker keeps the login of its Hub.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// How long a helper may take; some ask the user.
const HELPER_TIMEOUT: Duration = Duration::from_mins(1);

/// Where logins are looked for.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// `config.json` and `auth.json` files; those that do not exist count as empty.
    pub files: Vec<PathBuf>,
    /// Where helpers are looked for, in the form of `PATH`; None for the program's own.
    pub search_path: Option<OsString>,
}

/// A `config.json` or `auth.json`, as far as it is about logins.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
struct Entry {
    /// `user:password` in base64.
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// What a helper prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    username: String,
    secret: String,
}

impl Credentials {
    /// The login for the registry and repository of `reference`.
    pub(super) async fn of(&self, reference: &Reference) -> Result<RegistryAuth, OciError> {
        let keys = keys(reference);
        for path in &self.files {
            let Some(file) = read(path)? else { continue };
            if let Some(helper) = keys.iter().find_map(|key| known(&file.cred_helpers, key)) {
                return self.ask(helper, &keys).await.map(|login| login.unwrap_or(RegistryAuth::Anonymous));
            }
            for entry in keys.iter().filter_map(|key| known(&file.auths, key)) {
                if let Some(login) = login(entry).map_err(|()| OciError::Login { path: path.clone(), place: None })? {
                    return Ok(login);
                }
            }
            if let Some(helper) = &file.creds_store
                && let Some(login) = self.ask(helper, &keys).await?
            {
                return Ok(login);
            }
        }
        Ok(RegistryAuth::Anonymous)
    }

    /// What the helper says of the registry; None when it knows no login.
    async fn ask(&self, helper: &str, keys: &[String]) -> Result<Option<RegistryAuth>, OciError> {
        // The last key is the registry alone.
        let Some(registry) = keys.last() else { return Ok(None) };
        let asked = if registry == "docker.io" { DOCKER_HUB } else { registry };
        let program = format!("docker-credential-{helper}");
        let fault =
            |problem: String| OciError::LoginHelper { program: program.clone(), registry: asked.to_owned(), problem };
        let output = tokio::time::timeout(HELPER_TIMEOUT, self.output(&program, asked));
        let output = output.await.map_err(|_| fault("it does not end".to_owned()))?;
        let output = output.map_err(|error| fault(error.to_string()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            // The words of the protocol: <https://github.com/docker/docker-credential-helpers>.
            let nothing = ["credentials not found", "no credentials server URL", "no credentials username"];
            if nothing.iter().any(|word| said.contains(word)) {
                return Ok(None);
            }
            return Err(fault(output.status.to_string()));
        }
        let given: Given = serde_json::from_str(&said).map_err(|_| fault("it prints no login".to_owned()))?;
        if given.username == NO_USER {
            return Ok(Some(RegistryAuth::Basic(TOKEN_USER.to_owned(), given.secret)));
        }
        Ok((!given.secret.is_empty()).then_some(RegistryAuth::Basic(given.username, given.secret)))
    }

    async fn output(&self, program: &str, registry: &str) -> io::Result<std::process::Output> {
        if program.contains('/') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "its name has a slash"));
        }
        let mut command = Command::new(program);
        command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        if let Some(path) = &self.search_path {
            command.env("PATH", path);
        }
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A helper that ends without reading tells why by its status.
            let _ = stdin.write_all(registry.as_bytes()).await;
        }
        child.wait_with_output().await
    }
}

/// The names that a login for `reference` may be kept under, the most exact one first, the registry alone last.
fn keys(reference: &Reference) -> Vec<String> {
    let registry = match reference.registry() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        other => other,
    };
    let mut keys = vec![registry.to_owned()];
    for part in reference.repository().split('/') {
        let longer = format!("{}/{part}", keys.last().map_or("", String::as_str));
        keys.push(longer);
    }
    keys.reverse();
    keys
}

/// The value that `map` has for `key`, whatever scheme and version of the API it is written with.
fn known<'a, T>(map: &'a BTreeMap<String, T>, key: &str) -> Option<&'a T> {
    let plain = |name: &str| {
        let name = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://")).unwrap_or(name);
        let name = name.trim_end_matches('/');
        let name = name.strip_suffix("/v1").or_else(|| name.strip_suffix("/v2")).unwrap_or(name);
        if ["index.docker.io", "registry-1.docker.io"].contains(&name) {
            "docker.io".to_owned()
        } else {
            name.to_owned()
        }
    };
    map.get(key).or_else(|| map.iter().find(|(name, _)| plain(name) == key).map(|(_, value)| value))
}

fn read(path: &Path) -> Result<Option<File>, OciError> {
    let bytes = match regular::read_text(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(OciError::Read { path: path.to_owned(), source }),
    };
    // The parser's own words may have a password in them.
    let place = |error: serde_json::Error| OciError::Login {
        path: path.to_owned(),
        place: Some((error.line(), error.column())),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(place)
}

/// The login that an entry holds; None for the empty entry that Docker leaves when a helper has the login.
fn login(entry: &Entry) -> Result<Option<RegistryAuth>, ()> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if let Some(token) = given(&entry.registrytoken) {
        return Ok(Some(RegistryAuth::Bearer(token)));
    }
    let pair = match given(&entry.auth) {
        Some(auth) => Some(decoded(&auth).ok_or(())?),
        None => given(&entry.username).map(|user| (user, given(&entry.password).unwrap_or_default())),
    };
    if let Some(token) = given(&entry.identitytoken) {
        let user = pair.map(|(user, _)| user).filter(|user| user != NO_USER);
        return Ok(Some(RegistryAuth::Basic(user.unwrap_or_else(|| TOKEN_USER.to_owned()), token)));
    }
    Ok(pair.map(|(user, password)| RegistryAuth::Basic(user, password)))
}

fn decoded(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(auth.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn credentials(folder: &Path, config: &str) -> Credentials {
        let file = folder.join("config.json");
        std::fs::write(&file, config).unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.display());
        Credentials { files: vec![folder.join("none.json"), file], search_path: Some(path.into()) }
    }

    fn helper(folder: &Path, name: &str, script: &str) {
        let path = folder.join(format!("docker-credential-{name}"));
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    async fn login_of(credentials: &Credentials, reference: &str) -> Result<RegistryAuth, OciError> {
        credentials.of(&reference.parse().unwrap()).await
    }

    fn basic(user: &str, password: &str) -> RegistryAuth {
        RegistryAuth::Basic(user.into(), password.into())
    }

    #[tokio::test]
    async fn logins_are_found_under_every_name_that_tools_give_them() {
        let folder = tempfile::tempdir().unwrap();
        let config = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "aHViOnB3OjE="},
            "localhost:5000": {"auth": "aG9zdDpw"}, "localhost:5000/team/tools": {"auth": "dGVhbTpw"},
            "azure.example.org": {"auth": "MDA6", "identitytoken": "T"},
            "bare.example.org": {"identitytoken": "T"}, "registry.example.org": {"registrytoken": "R"},
            "empty.example.org": {}}, "HttpHeaders": {"a": "b"}}"#;
        let known = credentials(folder.path(), config);
        for (reference, login) in [
            ("debian:12", basic("hub", "pw:1")),
            ("localhost:5000/other/x:1", basic("host", "p")),
            ("localhost:5000/team/tools/gcc:1", basic("team", "p")),
            ("azure.example.org/x:1", basic("00", "T")),
            ("bare.example.org/x:1", basic(TOKEN_USER, "T")),
            ("registry.example.org/x:1", RegistryAuth::Bearer("R".into())),
            ("empty.example.org/x:1", RegistryAuth::Anonymous),
            ("unknown.example.org/x:1", RegistryAuth::Anonymous),
        ] {
            assert!(login_of(&known, reference).await.unwrap() == login, "{reference}");
        }
    }

    #[tokio::test]
    async fn helpers_are_asked_on_their_standard_input() {
        let folder = tempfile::tempdir().unwrap();
        helper(
            folder.path(),
            "store",
            r#"read -r url; [ "$url" = https://index.docker.io/v1/ ] || { echo "credentials not found in native keychain"; exit 1; }
               echo '{"ServerURL": "x", "Username": "hub", "Secret": "s"}'"#,
        );
        helper(folder.path(), "one", r#"echo "{\"Username\": \"<token>\", \"Secret\": \"$1\"}""#);
        helper(folder.path(), "broken", "echo SECRET; echo SECRET >&2; exit 3");
        let config = r#"{"credsStore": "store", "credHelpers": {"one.example.org": "one", "b.example.org": "broken",
            "away.example.org": "away", "slash.example.org": "../x"}}"#;
        let known = credentials(folder.path(), config);
        assert!(login_of(&known, "debian:12").await.unwrap() == basic("hub", "s"));
        assert!(login_of(&known, "one.example.org/x").await.unwrap() == basic(TOKEN_USER, "get"));
        assert!(login_of(&known, "other.example.org/x").await.unwrap() == RegistryAuth::Anonymous);
        let fault = login_of(&known, "b.example.org/x").await.unwrap_err();
        let text = "`docker-credential-broken` gives no login for `b.example.org`: exit status: 3";
        assert_eq!((fault.to_string().as_str(), format!("{fault:?}").contains("SECRET")), (text, false));
        assert!(fault.hint().unwrap().contains("docker-credential-broken get"));
        for name in ["away", "slash"] {
            let fault = login_of(&known, &format!("{name}.example.org/x")).await.unwrap_err();
            assert!(matches!(fault, OciError::LoginHelper { .. }), "{fault}");
        }
    }

    #[tokio::test]
    async fn a_broken_file_is_told_without_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let cases = [
            (r#"{"auths": {"h:5000": "SECRET"}}"#, Some((1, 29))),
            (r#"{"auths": {"h:5000": {"auth": "SECRET!"}}}"#, None),
        ];
        for (config, place) in cases {
            let fault = login_of(&credentials(folder.path(), config), "h:5000/x").await.unwrap_err();
            assert!(matches!(&fault, OciError::Login { place: found, .. } if *found == place), "{fault:?}");
            assert!(!format!("{fault:?} {fault}").contains("SECRET"));
        }
    }
}
