//! Engines that are reached over TLS, by the environment and by Docker's contexts, as Docker's own program reaches them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::daemon::{Daemon, Installation, open_to_all};
use crate::engine_contract;

/// Makes an authority, and certificates of it for a server at 127.0.0.1 and for a client.
const CERTIFICATES: &str = r"set -e
key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
openssl req -x509 $key -days 2 -subj /CN=authority -keyout ca-key.pem -out ca.pem
for who in server client; do
    printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=%sAuth\n' $who >extensions
    openssl req $key -subj /CN=$who -keyout $who-key.pem -out request
    openssl x509 -req -in request -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile extensions -out $who.pem
done
mv client.pem cert.pem; mv client-key.pem key.pem";

/// A folder with certificates that a new authority vouches for.
fn certificates(folder: PathBuf) -> PathBuf {
    std::fs::create_dir(&folder).unwrap();
    let made = Command::new("sh").args(["-c", CERTIFICATES]).current_dir(&folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
}

/// Writes the Docker context `name` as `docker context create` does, and gives its folder of settings.
fn context(settings: &Path, name: &str, address: &str, certificates: &Path) -> PathBuf {
    let id = drydock::digest::Sha256::of_bytes(name.as_bytes()).to_string();
    let (meta, tls) =
        (settings.join("contexts/meta").join(&id), settings.join("contexts/tls").join(&id).join("docker"));
    std::fs::create_dir_all(&meta).unwrap();
    std::fs::create_dir_all(&tls).unwrap();
    let text = serde_json::json!({
        "Name": name, "Metadata": {}, "Endpoints": { "docker": { "Host": address, "SkipTLSVerify": name == "unchecked" } }
    });
    std::fs::write(meta.join("meta.json"), text.to_string()).unwrap();
    for file in ["ca.pem", "cert.pem", "key.pem"] {
        std::fs::copy(certificates.join(file), tls.join(file)).unwrap();
    }
    settings.to_owned()
}

#[test]
fn docker_over_tls() {
    if !engine_contract::wanted() {
        return;
    }
    let place = tempfile::Builder::new().prefix("drydock-reached-").tempdir_in("/tmp").unwrap();
    open_to_all(place.path());
    let own = |name: &str| place.path().join(name);
    let (ours, others) = (certificates(own("ours")), certificates(own("others")));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("tcp://127.0.0.1:{port}");
    std::fs::create_dir(own("daemon")).unwrap();
    let file = |name: &str| ours.join(name).display().to_string();
    let (ca, certificate, key) = (file("ca.pem"), file("server.pem"), file("server-key.pem"));
    let flags = ["--host", &address, "--tlsverify", "--tlscacert", &ca, "--tlscert", &certificate, "--tlskey", &key];
    let _daemon = Daemon::docker_with(&own("daemon"), Installation::default(), &flags.map(str::to_owned));

    let settings = own("settings");
    let doctor = |variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_drydock"));
        command.current_dir(place.path()).env("XDG_CACHE_HOME", own("cache")).env("DOCKER_CONFIG", own("none"));
        for name in ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"] {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied()).args(["doctor", "--network", "host"]);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let text = |path: &Path| path.display().to_string();
    let by_host = |folder: &Path| {
        let folder = text(folder);
        doctor(&[("DOCKER_HOST", &address), ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", &folder)])
    };
    let told = by_host(&ours);
    assert!(told.starts_with("ok      Docker ") && told.contains(&address), "{told}");
    let told = by_host(&others);
    assert!(
        told.starts_with("no      ") && told.contains("invalid peer certificate") && told.contains("DOCKER_CERT_PATH"),
        "{told}"
    );
    let told = doctor(&[("DOCKER_HOST", &address)]);
    assert!(told.starts_with("no      ") && told.contains("hint: does it speak TLS?"), "{told}");

    let by_context = |name: &str, certificates: &Path| {
        let settings = text(&context(&settings, name, &address, certificates));
        doctor(&[("DOCKER_CONFIG", &settings), ("DOCKER_CONTEXT", name)])
    };
    let told = by_context("far", &ours);
    assert!(told.starts_with("ok      Docker ") && told.contains("the Docker context `far`"), "{told}");
    let told = by_context("unchecked", &others);
    assert!(told.starts_with("no      the Docker context `unchecked` has `SkipTLSVerify`"), "{told}");
}
