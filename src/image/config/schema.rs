//! The keys of an image configuration and the kind of value each takes, as data.
//!
//! In: the value tree of a file. Out: the same tree with every key in the spelling of Azure Linux, without comment keys
//! (`_…`) and nulls; or all unknown keys and all values of a wrong kind at once, each with its place. The key names are
//! those of Azure Linux's `tools/imagegen/configuration/*.go`, whose decoder takes them in any letter case.

use serde_json::Value;

use super::Faults;
use crate::suggest::nearest;

/// What a key's value has to be.
pub(super) enum Kind {
    Text,
    Flag,
    /// A whole number, zero or more.
    Count,
    /// A whole number, possibly negative.
    Number,
    Texts,
    Object(&'static [Field]),
    Objects(&'static [Field]),
    /// Free keys with texts.
    TextMap,
    /// Free keys; each value a text, an object of [`TARGET`], or a list of these.
    Targets,
}

/// A key and the kind of its value.
pub(super) type Field = (&'static str, Kind);

/// A package list.
pub(super) const PACKAGE_LIST: &[Field] = &[("packages", Kind::Texts)];

/// A whole configuration.
pub(super) const CONFIG: &[Field] = &[("Disks", Kind::Objects(DISK)), ("SystemConfigs", Kind::Objects(SYSTEM))];

const DISK: &[Field] = &[
    ("PartitionTableType", Kind::Text),
    ("MaxSize", Kind::Count),
    ("TargetDisk", Kind::Object(&[("Type", Kind::Text), ("Value", Kind::Text)])),
    ("Artifacts", Kind::Objects(ARTIFACT)),
    ("Partitions", Kind::Objects(PARTITION)),
    ("RawBinaries", Kind::Objects(&[("BinPath", Kind::Text), ("BlockSize", Kind::Count), ("Seek", Kind::Count)])),
];

const ARTIFACT: &[Field] = &[("Name", Kind::Text), ("Type", Kind::Text), ("Compression", Kind::Text)];

const PARTITION: &[Field] = &[
    ("ID", Kind::Text),
    ("Name", Kind::Text),
    ("Start", Kind::Count),
    ("End", Kind::Count),
    ("FsType", Kind::Text),
    ("Type", Kind::Text),
    ("TypeUUID", Kind::Text),
    ("Flags", Kind::Texts),
    ("Artifacts", Kind::Objects(ARTIFACT)),
];

const SYSTEM: &[Field] = &[
    ("Name", Kind::Text),
    ("IsDefault", Kind::Flag),
    ("IsKickStartBoot", Kind::Flag),
    ("IsIsoInstall", Kind::Flag),
    ("BootType", Kind::Text),
    ("EnableGrubMkconfig", Kind::Flag),
    ("EnableSystemdFirstboot", Kind::Flag),
    ("Hostname", Kind::Text),
    ("PackageLists", Kind::Texts),
    ("Packages", Kind::Texts),
    ("KernelOptions", Kind::TextMap),
    ("KernelCommandLine", Kind::Object(COMMAND_LINE)),
    ("AdditionalFiles", Kind::Targets),
    ("PartitionSettings", Kind::Objects(SETTING)),
    ("PreInstallScripts", Kind::Objects(SCRIPT)),
    ("PostInstallScripts", Kind::Objects(SCRIPT)),
    ("FinalizeImageScripts", Kind::Objects(SCRIPT)),
    ("Networks", Kind::Objects(NETWORK)),
    ("PackageRepos", Kind::Objects(REPO)),
    ("Groups", Kind::Objects(&[("Name", Kind::Text), ("GID", Kind::Text)])),
    ("Users", Kind::Objects(USER)),
    ("Encryption", Kind::Object(&[("Enable", Kind::Flag), ("Password", Kind::Text)])),
    ("RemoveRpmDb", Kind::Flag),
    ("PreserveTdnfCache", Kind::Flag),
    ("EnableHidepid", Kind::Flag),
    ("DisableRpmDocs", Kind::Flag),
    ("OverrideRpmLocales", Kind::Text),
];

const COMMAND_LINE: &[Field] = &[
    ("CGroup", Kind::Text),
    ("ImaPolicy", Kind::Texts),
    ("SELinux", Kind::Text),
    ("SELinuxPolicy", Kind::Text),
    ("EnableFIPS", Kind::Flag),
    ("ExtraCommandLine", Kind::Text),
];

const SETTING: &[Field] = &[
    ("ID", Kind::Text),
    ("MountPoint", Kind::Text),
    ("MountOptions", Kind::Text),
    ("MountIdentifier", Kind::Text),
    ("RemoveDocs", Kind::Flag),
    ("OverlayBaseImage", Kind::Text),
    ("RdiffBaseImage", Kind::Text),
];

const SCRIPT: &[Field] = &[("Path", Kind::Text), ("Args", Kind::Text)];

const TARGET: &[Field] = &[("Path", Kind::Text), ("Permissions", Kind::Text)];

const NETWORK: &[Field] = &[
    ("BootProto", Kind::Text),
    ("GateWay", Kind::Text),
    ("Ip", Kind::Text),
    ("NetMask", Kind::Text),
    ("OnBoot", Kind::Flag),
    ("NameServer", Kind::Texts),
    ("Device", Kind::Text),
];

const REPO: &[Field] = &[
    ("Name", Kind::Text),
    ("BaseUrl", Kind::Text),
    ("Install", Kind::Flag),
    ("GPGCheck", Kind::Flag),
    ("RepoGPGCheck", Kind::Flag),
    ("GPGKeys", Kind::Text),
];

const USER: &[Field] = &[
    ("Name", Kind::Text),
    ("UID", Kind::Text),
    ("PasswordHashed", Kind::Flag),
    ("Password", Kind::Text),
    ("PasswordExpiresDays", Kind::Number),
    ("SSHPubKeyPaths", Kind::Texts),
    ("SSHPubKeys", Kind::Texts),
    ("PrimaryGroup", Kind::Text),
    ("SecondaryGroups", Kind::Texts),
    ("StartupCommand", Kind::Text),
    ("HomeDirectory", Kind::Text),
];

/// `value` as an object of `fields`, normalised; tells every fault by its place.
pub(super) fn normalise(value: Value, fields: &'static [Field], faults: &mut Faults) -> Value {
    object(value, fields, "", faults)
}

fn object(value: Value, fields: &'static [Field], place: &str, faults: &mut Faults) -> Value {
    let Value::Object(map) = value else {
        faults.add(place, format!("is {}, an object is expected", name_of(&value)));
        return Value::Null;
    };
    let mut normalised = serde_json::Map::new();
    for (key, value) in map.into_iter().filter(|(key, value)| !key.starts_with('_') && !value.is_null()) {
        let here = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
        match fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(&key)) {
            Some((name, _)) if normalised.contains_key(*name) => {
                faults.add(&here, format!("is `{name}`, which is there twice: upper and lower case are the same"));
            }
            Some((name, kind)) => {
                normalised.insert((*name).to_owned(), checked(value, kind, &here, faults));
            }
            None => faults.add(&here, unknown(&key, fields)),
        }
    }
    Value::Object(normalised)
}

fn checked(value: Value, kind: &Kind, place: &str, faults: &mut Faults) -> Value {
    let fits = match kind {
        Kind::Text => value.is_string(),
        Kind::Flag => value.is_boolean(),
        Kind::Count => value.is_u64(),
        Kind::Number => value.is_i64(),
        Kind::Texts => {
            return list(value, place, faults, &|text, here, faults| checked(text, &Kind::Text, here, faults));
        }
        Kind::Objects(fields) => {
            return list(value, place, faults, &|entry, here, faults| object(entry, fields, here, faults));
        }
        Kind::Object(fields) => return object(value, fields, place, faults),
        Kind::TextMap => {
            return map(value, place, faults, &|text, here, faults| checked(text, &Kind::Text, here, faults));
        }
        Kind::Targets => return map(value, place, faults, &targets),
    };
    if !fits {
        faults.add(place, format!("is {}, {} is expected", name_of(&value), expected(kind)));
    }
    value
}

type Check<'a> = &'a dyn Fn(Value, &str, &mut Faults) -> Value;

fn list(value: Value, place: &str, faults: &mut Faults, check: Check<'_>) -> Value {
    let Value::Array(entries) = value else {
        faults.add(place, format!("is {}, a list is expected", name_of(&value)));
        return Value::Null;
    };
    let checked = entries.into_iter().enumerate().map(|(at, entry)| check(entry, &format!("{place}[{at}]"), faults));
    Value::Array(checked.collect())
}

fn map(value: Value, place: &str, faults: &mut Faults, check: Check<'_>) -> Value {
    let Value::Object(entries) = value else {
        faults.add(place, format!("is {}, an object is expected", name_of(&value)));
        return Value::Null;
    };
    let real = entries.into_iter().filter(|(key, value)| !key.starts_with('_') && !value.is_null());
    Value::Object(real.map(|(key, value)| (key.clone(), check(value, &format!("{place}[`{key}`]"), faults))).collect())
}

/// One file's places in the image, always as a list of objects.
fn targets(value: Value, place: &str, faults: &mut Faults) -> Value {
    let entries = if let Value::Array(entries) = value { entries } else { vec![value] };
    let as_object = |entry: Value, faults: &mut Faults| match entry {
        Value::String(path) => serde_json::json!({ "Path": path }),
        other => object(other, TARGET, place, faults),
    };
    Value::Array(entries.into_iter().map(|entry| as_object(entry, faults)).collect())
}

fn expected(kind: &Kind) -> &'static str {
    match kind {
        Kind::Text => "text in quotes",
        Kind::Flag => "true or false",
        Kind::Count => "a whole number",
        Kind::Number => "a whole number, possibly negative",
        Kind::Texts | Kind::Objects(_) => "a list",
        Kind::Object(_) | Kind::TextMap | Kind::Targets => "an object",
    }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn unknown(key: &str, fields: &[Field]) -> String {
    let names = fields.iter().map(|(name, _)| *name);
    if let Some(name) = nearest(key, names).first() {
        format!("is no key of this file's kind; did you mean `{name}`?")
    } else {
        let known: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        format!("is no key of this file's kind; known here: {}", known.join(", "))
    }
}
