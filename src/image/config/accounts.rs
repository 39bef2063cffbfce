//! Groups and users of an image.
//!
//! `root` is changed, every other user is made. Passwords may be given in plain text or hashed; see `image::crypt`.

use super::inputs::Inputs;
use super::{Faults, raw};

/// A group to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its number; None for the next free one.
    pub gid: Option<u32>,
}

/// A password.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// Nobody can log in with one; for `root`, what the packages say stays.
    Locked,
    /// Plain text.
    Plain(String),
    /// As it stands in `/etc/shadow`.
    Hashed(String),
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Locked => "Locked",
            Self::Plain(_) => "Plain(…)",
            Self::Hashed(_) => "Hashed(…)",
        })
    }
}

/// A user to make, or `root` to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Its number; None for the next free one.
    pub uid: Option<u32>,
    /// How it logs in.
    pub password: Password,
    /// Days until the password expires, −1 for never; None for the default of 99,999.
    pub expires_days: Option<i64>,
    /// Lines of `~/.ssh/authorized_keys`.
    pub ssh_keys: Vec<String>,
    /// Its group; None for one of its own name.
    pub primary_group: Option<String>,
    /// Further groups, made already or by a package.
    pub secondary_groups: Vec<String>,
    /// Login program; None for `/bin/sh`, and for `root` for what the packages say.
    pub shell: Option<String>,
    /// Home folder; None for `/home/NAME`, and for `root` for what the packages say.
    pub home: Option<String>,
}

/// The groups of a system; faults are noted.
pub(super) fn groups(raw: Vec<raw::Group>, faults: &mut Faults) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (at, group) in raw.into_iter().enumerate() {
        let place = format!("SystemConfigs[0].Groups[{at}]");
        check_name(&group.name, &format!("{place}.Name"), faults);
        if groups.iter().any(|other| other.name == group.name) {
            faults.add(&place, format!("names `{}` a second time", group.name));
        }
        let gid = id(&group.gid, &format!("{place}.GID"), faults);
        if let Some(other) = groups.iter().find(|other| gid.is_some() && other.gid == gid) {
            faults.add(format!("{place}.GID"), format!("is {}, which is that of `{}`, too", group.gid, other.name));
        }
        groups.push(Group { name: group.name, gid });
    }
    groups
}

/// The users of a system; faults are noted.
pub(super) fn users(raw: Vec<raw::User>, inputs: &mut Inputs, faults: &mut Faults) -> Vec<User> {
    let mut users: Vec<User> = Vec::new();
    for (at, raw) in raw.into_iter().enumerate() {
        let place = format!("SystemConfigs[0].Users[{at}]");
        let uid_text = raw.uid.clone();
        let user = user(raw, &place, inputs, faults);
        if users.iter().any(|other| other.name == user.name) {
            faults.add(&place, format!("names `{}` a second time", user.name));
        }
        let uid = user.uid;
        if let Some(other) = users.iter().find(|other| uid.is_some() && other.uid == uid) {
            faults.add(format!("{place}.UID"), format!("is {}, which is that of `{}`, too", uid_text, other.name));
        }
        if uid.is_some() && (user.name == "root") != (uid == Some(0)) {
            faults.add(format!("{place}.UID"), format!("is {uid_text}; 0 is the number of `root`, and of nobody else"));
        }
        users.push(user);
    }
    users
}

fn user(raw: raw::User, place: &str, inputs: &mut Inputs, faults: &mut Faults) -> User {
    check_name(&raw.name, &format!("{place}.Name"), faults);
    let expires_days = (raw.password_expires_days != 0).then_some(raw.password_expires_days);
    if expires_days.is_some_and(|days| !(-1..=99_999).contains(&days)) {
        faults.add(format!("{place}.PasswordExpiresDays"), "must be between -1 and 99999");
    }
    for group in raw.secondary_groups.iter().chain((!raw.primary_group.is_empty()).then_some(&raw.primary_group)) {
        check_name(group, place, faults);
    }
    let text = |text: String| (!text.is_empty()).then_some(text);
    let (shell, home) = (text(raw.startup_command), text(raw.home_directory));
    for (key, path) in [("StartupCommand", &shell), ("HomeDirectory", &home)] {
        if path.as_ref().is_some_and(|path| !path.starts_with('/') || path.contains([':', '\n'])) {
            faults.add(format!("{place}.{key}"), "must be an absolute path without a colon");
        }
    }
    User {
        uid: id(&raw.uid, &format!("{place}.UID"), faults),
        password: password(raw.password, raw.password_hashed, place, faults),
        expires_days,
        ssh_keys: ssh_keys(&raw.ssh_pub_key_paths, raw.ssh_pub_keys, place, (inputs, faults)),
        primary_group: text(raw.primary_group),
        secondary_groups: raw.secondary_groups,
        shell,
        home,
        name: raw.name,
    }
}

fn password(text: String, hashed: bool, place: &str, faults: &mut Faults) -> Password {
    if text.contains(['\n', '\0']) || hashed && text.contains(':') {
        faults.add(format!("{place}.Password"), "has a character that `/etc/shadow` cannot hold");
    }
    match (text.is_empty(), hashed) {
        (true, _) => Password::Locked,
        (false, true) => Password::Hashed(text),
        (false, false) => Password::Plain(text),
    }
}

fn ssh_keys(
    paths: &[String],
    keys: Vec<String>,
    place: &str,
    (inputs, faults): (&mut Inputs, &mut Faults),
) -> Vec<String> {
    let mut all = Vec::new();
    for (at, path) in paths.iter().enumerate() {
        let text = inputs.text(path, &format!("{place}.SSHPubKeyPaths[{at}]"), faults);
        all.extend(text.iter().flat_map(|text| text.lines()).map(str::to_owned).filter(|line| !line.is_empty()));
    }
    for (at, key) in keys.iter().enumerate().filter(|(_, key)| key.trim().is_empty() || key.contains('\n')) {
        faults.add(format!("{place}.SSHPubKeys[{at}]"), format!("is `{key}`, one line is expected"));
    }
    all.extend(keys);
    all
}

fn check_name(name: &str, place: &str, faults: &mut Faults) {
    let first = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
    let rest = name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-.".contains(letter));
    if !first || !rest || name.len() > 32 {
        faults.add(place, format!("is `{name}`; a name has letters, digits, `_`, `-`, `.` and starts with a letter"));
    }
}

fn id(text: &str, place: &str, faults: &mut Faults) -> Option<u32> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let number = text.parse().ok().filter(|number| *number <= 60_000);
    if number.is_none() {
        faults.add(place, format!("is `{text}`, a number from 0 to 60000 is expected"));
    }
    number
}
