//! From a [`ContainerSpec`] to the request that makes the container: pure, so that it can be compared as a value.
//!
//! The engine's own environment, entry point and default capabilities are left out of play: the environment goes through
//! [`init`](super::init), the capabilities are named one by one, so that Docker and Podman give the same. API:
//! <https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerCreate>.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount as ApiMount, MountBindOptions, MountType,
    ResourcesUlimits,
};
use nix::sys::resource::{Resource, getrlimit};

use super::flavor::Flavor;
use super::init::INIT_GUEST;
use super::inputs::Shown;
use crate::engine::spec::DEVICES;
use crate::engine::{Capabilities, ContainerSpec, Mount, Network, Outside, User};

/// Docker's default set.
const DEFAULT_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Docker's default.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the request needs besides the spec.
pub(super) struct Given<'a> {
    /// The engine's name of the image.
    pub(super) image: &'a str,
    /// `KEY=value` of the image.
    pub(super) environment: &'a [String],
    /// What the container sees of the host, `init` among it.
    pub(super) inputs: &'a [Shown],
    /// All labels.
    pub(super) labels: HashMap<String, String>,
    /// Token of the record.
    pub(super) token: &'a str,
    /// Who gets the request.
    pub(super) flavor: Flavor,
    /// How it reaches other machines.
    pub(super) outside: Outside,
    /// How many processes it has at a time when its spec does not say it.
    pub(super) pids: u32,
    /// True when the program gets a terminal.
    pub(super) has_terminal: bool,
}

/// The request.
pub(super) fn body(spec: &ContainerSpec, given: &Given<'_>) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(given.image.to_owned()),
        hostname: Some("drydock".to_owned()),
        user: Some(match &spec.user {
            User::Root => "0".to_owned(),
            User::Named(name) => name.clone(),
        }),
        entrypoint: Some(vec![INIT_GUEST.to_owned()]),
        cmd: Some(arguments(spec, given)),
        working_dir: Some(spec.workdir.as_str().to_owned()),
        labels: Some(given.labels.clone()),
        tty: Some(given.has_terminal),
        // `init` waits for a byte, and a terminal takes what is typed.
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config: Some(host_config(spec, given)),
        ..ContainerCreateBody::default()
    }
}

/// Where the program of `spec` is looked for.
pub(super) fn candidates(spec: &ContainerSpec, environment: &[String]) -> Vec<String> {
    let program = spec.argv.first().cloned().unwrap_or_default();
    if program.contains('/') {
        return vec![program];
    }
    let path = whole_environment(spec, environment).remove("PATH").unwrap_or_default();
    path.split(':').map(|folder| format!("{}/{program}", if folder.is_empty() { "." } else { folder })).collect()
}

/// The arguments of `init`.
fn arguments(spec: &ContainerSpec, given: &Given<'_>) -> Vec<String> {
    let mut environment = whole_environment(spec, given.environment);
    let home = environment.remove("HOME").unwrap_or_default();
    let mut arguments = vec![given.token.to_owned(), format!("HOME={home}")];
    arguments.extend(environment.iter().map(|(key, value)| format!("{key}={value}")));
    arguments.push(String::new());
    arguments.extend(candidates(spec, given.environment));
    arguments.push(String::new());
    arguments.extend(spec.argv.iter().cloned());
    arguments
}

fn whole_environment(spec: &ContainerSpec, image: &[String]) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::from([("PATH".to_owned(), DEFAULT_PATH.to_owned())]);
    let pairs = image.iter().filter_map(|pair| pair.split_once('='));
    environment.extend(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
    environment.extend(spec.env.clone());
    environment
}

fn host_config(spec: &ContainerSpec, given: &Given<'_>) -> HostConfig {
    let memory = spec.limits.memory_bytes.and_then(|bytes| i64::try_from(bytes).ok());
    HostConfig {
        network_mode: match (spec.network, given.outside) {
            (Network::None, _) => Some("none".to_owned()),
            (Network::Outside, Outside::Host) => Some("host".to_owned()),
            // The engine's own: a bridge, or what it has for ordinary users.
            (Network::Outside, Outside::Private) => None,
        },
        mounts: Some(given.inputs.iter().map(read_only).chain(spec.mounts.iter().flat_map(devices)).collect()),
        tmpfs: Some(spec.mounts.iter().filter_map(|mount| in_memory(mount, given.flavor)).collect()),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(capabilities(spec)),
        security_opt: Some(security(spec)),
        memory,
        // Without a limit of its own, as much swap again could be used.
        memory_swap: memory,
        pids_limit: Some(spec.limits.pids.unwrap_or(given.pids).into()),
        ulimits: Some(vec![ulimit("nofile", Resource::RLIMIT_NOFILE), ulimit("nproc", Resource::RLIMIT_NPROC)]),
        // Drydock writes the logs; a copy in the daemon would only fill its disk.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        ..HostConfig::default()
    }
}

fn read_only(shown: &Shown) -> ApiMount {
    ApiMount {
        typ: Some(MountType::BIND),
        source: Some(shown.source.clone()),
        target: Some(shown.guest.clone()),
        read_only: Some(true),
        // Mounts below the folder would not be read-only.
        bind_options: Some(MountBindOptions { non_recursive: Some(true), ..MountBindOptions::default() }),
        ..ApiMount::default()
    }
}

/// The devices of the engine's machine. A read-only mount lets nobody change what the device itself is.
fn devices(mount: &Mount) -> Vec<ApiMount> {
    let Mount::Devices { .. } = mount else { return Vec::new() };
    let names = DEVICES.iter().map(|name| format!("/dev/{name}"));
    names.zip(mount.places()).map(|(source, guest)| read_only(&Shown { source, guest })).collect()
}

fn in_memory(mount: &Mount, flavor: Flavor) -> Option<(String, String)> {
    let Mount::Tmpfs { guest, size_bytes } = mount else { return None };
    // Podman fills a tmpfs with what the image has there, unless told otherwise.
    let empty = if flavor == Flavor::Podman { ",notmpcopyup" } else { "" };
    Some((guest.as_str().to_owned(), format!("rw,exec,nosuid,nodev,mode=1777,size={size_bytes}{empty}")))
}

/// A user other than root gets none: with `no-new-privileges` there is no way to them, and Podman would give those that
/// are named here to the user at once.
fn capabilities(spec: &ContainerSpec) -> Vec<String> {
    if spec.user != User::Root {
        return Vec::new();
    }
    let mut names: Vec<_> = DEFAULT_CAPABILITIES.iter().map(|&name| name.to_owned()).collect();
    if let Capabilities::DefaultAnd(more) = &spec.capabilities {
        names.extend(more.iter().cloned());
    }
    names.sort_unstable();
    names.dedup();
    names
}

fn security(spec: &ContainerSpec) -> Vec<String> {
    // With SELinux, the host's files would have to be relabelled to be seen.
    let mut options = vec!["no-new-privileges".to_owned(), "label=disable".to_owned()];
    let may_mount =
        matches!(&spec.capabilities, Capabilities::DefaultAnd(more) if more.iter().any(|name| name == "SYS_ADMIN"));
    if may_mount {
        // Docker's AppArmor profile forbids all mounts, whatever the capabilities.
        options.push("apparmor=unconfined".to_owned());
    }
    options
}

/// Engines ask for more than a restricted host can grant, and then no container starts; so the limits are those of this
/// process, below what Podman keeps for itself.
fn ulimit(name: &str, resource: Resource) -> ResourcesUlimits {
    let is_files = resource == Resource::RLIMIT_NOFILE;
    let most = if is_files { 1 << 20 } else { 32_768 };
    let hard = getrlimit(resource).map_or(1024, |(_, hard)| hard).min(most);
    let hard = i64::try_from(hard).unwrap_or(1024);
    let soft = if is_files { hard.min(1024) } else { hard };
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(soft), hard: Some(hard) }
}
