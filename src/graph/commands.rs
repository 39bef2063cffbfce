//! Commands that everybody has and whose packages have another name, as Fedora and its relatives call them.

/// Packages, each with commands of theirs.
const MAKERS: [(&str, &str); 20] = [
    ("binutils", "addr2line ar as c++filt gprof ld nm objcopy objdump ranlib readelf size strings strip"),
    ("bzip2", "bunzip2 bzcat bzip2recover"),
    ("cpp", "cpp"),
    (
        "coreutils",
        "[ arch b2sum base32 base64 basename cat chgrp chmod chown chroot cksum comm cp csplit cut date dd df dir dircolors \
         dirname du echo env expand expr factor false fmt fold groups head hostid id install join link ln logname ls md5sum \
         mkdir mkfifo mknod mktemp mv nice nl nohup nproc numfmt od paste pathchk pinky pr printenv printf ptx pwd readlink \
         realpath rm rmdir seq sha1sum sha224sum sha256sum sha384sum sha512sum shred shuf sleep sort split stat stdbuf stty \
         sum sync tac tail tee test timeout touch tr true truncate tsort tty uname unexpand uniq unlink users vdir wc who \
         whoami yes",
    ),
    ("diffutils", "cmp diff diff3 sdiff"),
    ("desktop-file-utils", "desktop-file-edit desktop-file-install desktop-file-validate update-desktop-database"),
    ("docbook-utils", "db2html docbook2man docbook2html jw"),
    ("findutils", "find xargs"),
    ("gettext", "autopoint envsubst gettextize msgcat msgfmt msgmerge ngettext xgettext"),
    ("glibc", "gencat getconf getent iconv ldd locale localedef"),
    ("gnupg2", "gpg gpg2 gpg-agent gpg-connect-agent gpgconf gpgv gpgv2"),
    ("graphviz", "circo dot fdp neato sfdp twopi"),
    ("gzip", "gunzip zcat zgrep"),
    ("libxml2", "xmlcatalog xmllint"),
    ("libxslt", "xsltproc"),
    ("opensp", "nsgmls onsgmls osgmlnorm osx sgml2xml sgmlnorm"),
    ("perl", "perldoc pod2html pod2man pod2text pod2usage xsubpp"),
    ("procps-ng", "free pgrep pidof pkill ps sysctl top uptime vmstat w watch"),
    ("shadow-utils", "chage groupadd groupdel groupmod newusers useradd userdel usermod"),
    (
        "util-linux",
        "blkid blockdev cfdisk dmesg fallocate fdisk findmnt flock fsck getopt hexdump ionice kill logger login losetup \
         lsblk lscpu mcookie mkfs mkswap more mount mountpoint nsenter rename renice rev sfdisk setarch setsid su swapoff \
         swapon taskset umount unshare uuidgen whereis wipefs",
    ),
];

/// The package that commonly has the command `path`, where its name is another one.
pub(super) fn maker(path: &str) -> Option<&'static str> {
    let (folder, name) = path.rsplit_once('/')?;
    let is_command = matches!(folder, "/bin" | "/sbin" | "/usr/bin" | "/usr/sbin");
    let of = |(_, commands): &&(&str, &str)| commands.split_ascii_whitespace().any(|command| command == name);
    MAKERS.iter().filter(|_| is_command).find(of).map(|(package, _)| *package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_known_in_their_folders_alone() {
        for (path, package) in [
            ("/usr/bin/basename", Some("coreutils")),
            ("/bin/[", Some("coreutils")),
            ("/usr/bin/wc", Some("coreutils")),
            ("/usr/sbin/sfdisk", Some("util-linux")),
            ("/usr/bin/xmllint", Some("libxml2")),
            ("/opt/bin/wc", None),
            ("/usr/bin/gcc", None),
        ] {
            assert_eq!(maker(path), package, "{path}");
        }
    }
}
