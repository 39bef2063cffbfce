//! The shell script that makes a root file system: calls of the functions in `functions.sh`, in Azure Linux's order.
//!
//! In: the checked configuration and the layout. Out: a [`Script`]: text, and the files it reads from `/in`. Pure: the
//! password hashes and generated files are in it, so that the script alone says what is done.

use crate::image::config::{AdditionalFile, BootType, Documentation, MachineId, Password, RpmDatabase, System, User};
use crate::image::crypt::sha512_crypt;
use crate::image::grub;
use crate::image::identity::Seed;
use crate::image::partition::Layout;
use crate::toolchain::ROOT_SCRIPT;

use super::Installation;

/// The functions that the calls name, after those of [`ROOT_SCRIPT`].
const FUNCTIONS: &str = include_str!("functions.sh");
/// Where the new root is in the container.
pub(super) const ROOT: &str = "/rootfs";

/// A script with the files it needs below `/in/files`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// The whole text.
    pub(super) text: String,
    /// Content of `/in/files/0`, `/in/files/1`, …
    pub(super) files: Vec<Source>,
}

/// Where the content of a file comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// This text.
    Text(String),
    /// A file of the host.
    Host(std::path::PathBuf),
}

/// The script of an image.
pub(super) fn write(inputs: Installation<'_>) -> Script {
    let system = &inputs.config.system;
    let mut script = Script { text: format!("{ROOT_SCRIPT}\nroot={ROOT}\n{FUNCTIONS}"), files: Vec::new() };
    script.install(system);
    script.accounts(system, inputs.seed);
    script.mount_points(inputs.layout);
    for file in &system.files {
        script.additional_file(file);
    }
    script.identity(inputs);
    script.networks(system);
    for post in &system.post_install {
        script.run(post);
    }
    script.boot_loader(inputs);
    for last in &system.finalize {
        script.run(last);
    }
    script.finish(system, inputs.layout);
    script
}

impl Script {
    /// Adds the call of `function` with `arguments`.
    fn call(&mut self, function: &str, arguments: &[&str]) {
        self.text += function;
        for argument in arguments {
            self.text += " ";
            self.text += &quoted(argument);
        }
        self.text += "\n";
    }

    /// The path in the container of one more file.
    fn add(&mut self, source: Source) -> String {
        self.files.push(source);
        format!("/in/files/{}", self.files.len() - 1)
    }

    fn copy(&mut self, source: Source, target: &str, mode: u32) {
        let file = self.add(source);
        self.call("copy_file", &[&file, target, &format!("{mode:o}")]);
    }

    fn copy_text(&mut self, text: impl Into<String>, target: &str) {
        self.copy(Source::Text(text.into()), target, 0o644);
    }

    fn install(&mut self, system: &System) {
        let languages = system.locales.as_ref().map(|locales| format!("_install_langs {locales}"));
        let mut arguments = Vec::new();
        if let Some(languages) = &languages {
            arguments.extend(["--define", languages]);
        }
        if system.documentation == Documentation::LeftOut {
            arguments.push("--excludedocs");
        }
        self.call("open_devices", &[]);
        self.call("install_packages", &arguments);
        // Packages that are installed later follow the same rules.
        let folder = "/usr/lib/rpm/macros.d";
        if system.documentation == Documentation::LeftOut {
            let file = format!("{folder}/macros.installercustomizations_disable_docs");
            self.copy_text("%_excludedocs 1\n", &file);
        }
        if let Some(languages) = languages {
            let file = format!("{folder}/macros.installercustomizations_customize_locales");
            self.copy_text(format!("%{languages}\n"), &file);
        }
    }

    fn accounts(&mut self, system: &System, seed: Seed) {
        for group in &system.groups {
            self.call("add_group", &[&group.name, &number(group.gid)]);
        }
        for user in &system.users {
            self.user(user, seed);
        }
    }

    fn user(&mut self, user: &User, seed: Seed) {
        let name = user.name.as_str();
        if name == "root" {
            for (field, value) in [("6", &user.home), ("7", &user.shell)] {
                if let Some(value) = value {
                    self.call("set_login", &[name, field, value]);
                }
            }
        } else {
            let home = user.home.clone().unwrap_or_else(|| format!("/home/{name}"));
            let group = user.primary_group.as_deref().unwrap_or(name);
            let shell = user.shell.as_deref().unwrap_or("/bin/sh");
            self.call("add_user", &[name, &number(user.uid), group, &home, shell]);
        }
        for group in &user.secondary_groups {
            self.call("add_to_group", &[name, group]);
        }
        let hash = match &user.password {
            Password::Locked => None,
            Password::Hashed(hash) => Some(hash.clone()),
            Password::Plain(text) => Some(sha512_crypt(text, &seed.salt(&format!("password of {name}")))),
        };
        if let Some(hash) = hash {
            self.call("set_password", &[name, &hash]);
        }
        if let Some(days) = user.expires_days {
            self.call("set_expiry", &[name, &days.to_string()]);
        }
        if !user.ssh_keys.is_empty() {
            let keys = self.add(Source::Text(user.ssh_keys.join("\n") + "\n"));
            self.call("set_ssh_keys", &[name, &keys]);
        }
    }

    fn mount_points(&mut self, layout: Option<&Layout>) {
        let mounts = layout.iter().flat_map(|layout| layout.slots.iter());
        for point in mounts.filter_map(|slot| slot.partition.mount_point()).filter(|point| *point != "/") {
            self.call("make_folder", &[point]);
        }
    }

    fn additional_file(&mut self, file: &AdditionalFile) {
        let source = self.add(Source::Host(file.source.clone()));
        let mode = file.mode.map_or_else(|| "u=rwX,go=rX".to_owned(), |mode| format!("{mode:o}"));
        self.call("copy_file", &[&source, &file.target, &mode]);
    }

    /// The files that say which machine this is.
    fn identity(&mut self, inputs: Installation<'_>) {
        let system = &inputs.config.system;
        if let Some(name) = &system.hostname {
            self.copy_text(format!("{name}\n"), "/etc/hostname");
            let hosts = format!("127.0.0.1 localhost {name}\n::1 localhost ip6-localhost ip6-loopback {name}\n");
            self.copy_text(hosts, "/etc/hosts");
        }
        if let Some(layout) = inputs.layout {
            self.copy_text(grub::fstab(layout, system), "/etc/fstab");
        }
        let id = if system.machine_id == MachineId::FirstBoot { "uninitialized\n" } else { "" };
        self.copy(Source::Text(id.to_owned()), "/etc/machine-id", 0o444);
        let (version, epoch, uuid) = (inputs.version, inputs.epoch, inputs.seed.uuid("image"));
        let image_id = format!("BUILD_NUMBER={version}\nIMAGE_BUILD_DATE={epoch}\nIMAGE_UUID={uuid}\n");
        self.copy_text(image_id, "/etc/image-id");
    }

    fn networks(&mut self, system: &System) {
        for network in &system.networks {
            self.copy_text(network.text.clone(), &format!("/etc/systemd/network/{}", network.file_name));
        }
    }

    fn run(&mut self, script: &crate::image::config::Script) {
        let name = script.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let file = self.add(Source::Host(script.path.clone()));
        self.call("run_script", &[&file, &name, &script.args]);
    }

    fn boot_loader(&mut self, inputs: Installation<'_>) {
        let system = &inputs.config.system;
        let (Some(layout), Some(kernel)) = (inputs.layout, inputs.kernel) else { return };
        if system.boot == BootType::None {
            return;
        }
        if let Some(config) = grub::disk_config(layout, system, kernel) {
            self.copy(Source::Text(config), "/boot/grub2/grub.cfg", 0o600);
        }
        if let (BootType::Efi, Some(stub)) = (system.boot, grub::efi_stub(layout)) {
            self.copy(Source::Text(stub), "/boot/efi/boot/grub2/grub.cfg", 0o600);
        }
        if system.grub_defaults {
            self.copy_text(grub::defaults(system), "/etc/default/grub");
        }
    }

    fn finish(&mut self, system: &System, layout: Option<&Layout>) {
        let mut mounts =
            layout.iter().flat_map(|layout| layout.slots.iter()).filter_map(|slot| slot.partition.mount.as_ref());
        if mounts.any(|mount| mount.point == "/" && mount.remove_docs) {
            self.call("remove_documentation", &[]);
        }
        self.call("write_manifests", &[]);
        if system.rpm_database == RpmDatabase::Removed {
            self.call("remove_database", &[]);
        }
        self.call("finish", &[]);
    }
}

fn number(id: Option<u32>) -> String {
    id.map_or_else(String::new, |id| id.to_string())
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+,=:@%".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the functions make of the accounts of a root when they are called so: what they say, passwd, group.
    fn accounts(calls: &str) -> [String; 3] {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        std::fs::create_dir_all(path("etc")).unwrap();
        for user in ["app", "own", "two"] {
            std::fs::create_dir_all(path("home").join(user)).unwrap();
        }
        std::fs::write(path("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
        std::fs::write(path("etc/group"), "root:x:0:\napp:x:2000:\n").unwrap();
        let root = place.path().canonicalize().unwrap();
        let text = format!("root='{}'\nfail() {{ echo \"$*\"; exit 1; }}\n{FUNCTIONS}\n{calls}", root.display());
        let said = std::process::Command::new("sh").args(["-c", &text]).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap() + &String::from_utf8(said.stderr).unwrap();
        [
            said,
            std::fs::read_to_string(path("etc/passwd")).unwrap(),
            std::fs::read_to_string(path("etc/group")).unwrap(),
        ]
    }

    #[test]
    fn no_account_takes_the_number_of_another() {
        let users = "add_user app 1500 app /home/app /bin/sh\nadd_user own 1501 own /home/own /bin/sh\n\
                     add_user two 2000 two /home/two /bin/sh";
        let [said, passwd, group] = accounts(users);
        assert_eq!(said, "");
        assert!(passwd.ends_with(
            "app:x:1500:2000::/home/app:/bin/sh\nown:x:1501:1501::/home/own:/bin/sh\ntwo:x:2000:1000::/home/two:/bin/sh\n"
        ));
        assert_eq!(group, "root:x:0:\napp:x:2000:\nown:x:1501:\ntwo:x:1000:\n", "a group keeps its number");
        let [said, ..] = accounts("add_group web 2000");
        assert_eq!(said, "group web cannot have the number 2000: a package gave it to another one\n");
        let [said, ..] = accounts("add_user own 0 own /home/own /bin/sh");
        assert_eq!(said, "user own cannot have the number 0: a package gave it to another one\n");
        let [said, _, group] = accounts("add_group app 2000\nadd_group app 2001");
        assert_eq!((said.as_str(), group.as_str()), ("", "root:x:0:\napp:x:2001:\n"));
    }

    #[test]
    fn a_shell_reads_a_word_as_it_was() {
        assert_eq!(quoted("/etc/fstab"), "/etc/fstab");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
