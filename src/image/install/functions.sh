# What an image's root file system is made with, in the assembly container: functions.sh, after root.sh. Drydock writes the
# calls behind these functions; SOURCE_DATE_EPOCH is the image's time. The new root is a folder of the container.

set -eu
umask 022
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
database=/var/lib/rpm

# The path in the container of a path in the root; one that leads out of the root by a link is refused.
inside() { # absolute path
    folder=$(realpath -m "$root$(dirname "$1")")
    case $folder/ in
        "$root"/*) echo "$folder/$(basename "$1")" ;;
        *) fail "$1 leads out of the image, to $folder" ;;
    esac
}

# Sets one field of a line that starts with a name; the file keeps owner and mode.
set_field() { # file, name, number of the field, value
    [ -f "$root$1" ] || return 0
    VALUE=$4 awk -F: -v OFS=: -v name="$2" -v field="$3" \
        '$1 == name { $field = ENVIRON["VALUE"] } { print }' "$root$1" > /tmp/fields
    cat /tmp/fields > "$root$1"
}

has_line() { # file, name
    [ -f "$root$1" ] && awk -F: -v name="$2" '$1 == name { found = 1 } END { exit !found }' "$root$1"
}

has_number() { # file, number
    awk -F: -v number="$2" '$3 == number { found = 1 } END { exit !found }' "$root$1"
}

# The lowest number from 1000 on that no line has as its third field.
next_number() { # file
    awk -F: '{ taken[$3] = 1 } END { n = 1000; while (n in taken) n++; print n }' "$root$1"
}

add_group() { # name, number or nothing
    [ -f "$root/etc/group" ] || fail "group $1 cannot be made: no package has /etc/group"
    if [ -n "$2" ] && [ "$(group_number "$1")" != "$2" ] && has_number /etc/group "$2"; then
        fail "group $1 cannot have the number $2: a package gave it to another one"
    fi
    if has_line /etc/group "$1"; then
        [ -z "$2" ] || set_field /etc/group "$1" 3 "$2"
        return 0
    fi
    echo "$1:x:${2:-$(next_number /etc/group)}:" >> "$root/etc/group"
    if [ -f "$root/etc/gshadow" ]; then echo "$1:!::" >> "$root/etc/gshadow"; fi
}

add_to_group() { # user, group
    has_line /etc/group "$2" || fail "user $1 cannot join the group $2: there is none"
    members=$(awk -F: -v name="$2" '$1 == name { print $4 }' "$root/etc/group")
    case ,$members, in
        *,"$1",*) ;;
        *) set_field /etc/group "$2" 4 "${members:+$members,}$1" ;;
    esac
}

group_number() { # name
    awk -F: -v name="$1" '$1 == name { print $3 }' "$root/etc/group"
}

add_user() { # name, number or nothing, group, home folder, login program
    [ -f "$root/etc/passwd" ] || fail "user $1 cannot be made: no package has /etc/passwd"
    ! has_line /etc/passwd "$1" || fail "user $1 is there already: a package made it"
    if [ -n "$2" ] && has_number /etc/passwd "$2"; then
        fail "user $1 cannot have the number $2: a package gave it to another one"
    fi
    if [ "$3" = "$1" ] && ! has_line /etc/group "$1"; then
        # Its own group has the same number where that is free.
        group=$2
        if [ -n "$group" ] && has_number /etc/group "$group"; then group=; fi
        add_group "$1" "$group"
    fi
    has_line /etc/group "$3" || fail "user $1 cannot have the group $3: there is none"
    number=${2:-$(next_number /etc/passwd)}
    group=$(group_number "$3")
    echo "$1:x:$number:$group::$4:$5" >> "$root/etc/passwd"
    if [ -f "$root/etc/shadow" ]; then echo "$1:!:$((SOURCE_DATE_EPOCH / 86400)):0:99999:7:::" >> "$root/etc/shadow"; fi
    home=$(inside "$4")
    if [ ! -e "$home" ]; then
        mkdir -p "$home"
        if [ -d "$root/etc/skel" ]; then cp -a "$root/etc/skel/." "$home"; fi
        chmod 700 "$home"
        chown -R "$number:$group" "$home"
    fi
}

set_password() { # user, hash
    has_line /etc/passwd "$1" || fail "there is no user $1 to give a password"
    if [ -f "$root/etc/shadow" ]; then
        has_line /etc/shadow "$1" || echo "$1:!::0:99999:7:::" >> "$root/etc/shadow"
        set_field /etc/shadow "$1" 2 "$2"
        set_field /etc/shadow "$1" 3 "$((SOURCE_DATE_EPOCH / 86400))"
    else
        set_field /etc/passwd "$1" 2 "$2"
    fi
}

set_expiry() { # user, days
    set_field /etc/shadow "$1" 5 "$2"
}

set_login() { # user, field of /etc/passwd, value
    set_field /etc/passwd "$1" "$2" "$3"
}

# The file of keys comes from the host; its owner is the user.
set_ssh_keys() { # user, file
    line=$(awk -F: -v name="$1" '$1 == name { print $3 ":" $4 " " $6 }' "$root/etc/passwd")
    keys=$(inside "${line#* }/.ssh/authorized_keys")
    mkdir -p "$(dirname "$keys")"
    cp "$2" "$keys"
    chmod 700 "$(dirname "$keys")"
    chmod 600 "$keys"
    chown -R "${line%% *}" "$(dirname "$keys")"
}

copy_file() { # file, path in the root, mode
    target=$(inside "$2")
    [ ! -d "$target" ] || fail "$2 is a folder; the file $(basename "$1") cannot take its place"
    mkdir -p "$(dirname "$target")"
    rm -f "$target"
    cp "$1" "$target"
    chown 0:0 "$target"
    chmod "$3" "$target"
}

# Runs a script in the new root, by the shell that the image has.
run_script() { # file, its name, arguments as one text
    echo "script $2"
    mkdir -p "$root/tmp"
    cp "$1" "$root/tmp/.drydock-script"
    chmod 755 "$root/tmp/.drydock-script"
    status=0
    chroot "$root" /bin/sh -c "/tmp/.drydock-script $3" < /dev/null || status=$?
    rm -f "$root/tmp/.drydock-script"
    [ $status -eq 0 ] || fail "the script $2 ended with status $status"
}

make_folder() { # path in the root
    target=$(inside "$1")
    [ -d "$target" ] || mkdir -p "$target"
}

remove_documentation() {
    rm -rf "$root/usr/share/doc" "$root/usr/share/man" "$root/usr/share/info" "$root/usr/share/gtk-doc"
}

# The packages in the two forms of Azure Linux, for scanners and for people: the image may have no rpm program.
write_manifests() {
    folder=$root/var/lib/rpmmanifest
    mkdir -p "$folder"
    in_database -qa | sort > "$folder/container-manifest-1"
    in_database -qa --qf '%{NAME}\t%{VERSION}-%{RELEASE}\t%{INSTALLTIME}\t%{BUILDTIME}\t%{VENDOR}\t(none)\t%{SIZE}\t%{ARCH}\t%{EPOCHNUM}\t%{SOURCERPM}\n' |
        sort > "$folder/container-manifest-2"
}

remove_database() {
    rm -rf "${root:?}$database"
}

# Takes away what making the root left behind, and packs it.
finish() {
    close_devices
    rm -f "$root/var/cache/ldconfig/aux-cache" "$root/var/log/dnf.log"
    rm -f "$root$database/.rpm.lock" "$root$database"/*-shm "$root$database"/*-wal "$root$database"/__db.*
    pack_root
}
