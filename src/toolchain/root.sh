# For scripts that install packages into the folder $root of a container: root.sh, before them. Scriptlets run in that
# folder as their root. The engine shows them the devices below; nothing else is mounted there.

fail() { # text
    echo "drydock: $*" >&2
    exit 1
}

in_database() { # arguments of rpm
    rpm --root "$root" --dbpath "$database" "$@"
}

# What a scriptlet writes to /dev/stdout and /dev/stderr is our output: without /proc they cannot be the links that they
# are elsewhere.
open_devices() {
    mkdir -p "$root/dev"
    mkfifo -m 666 "$root/dev/stdout" "$root/dev/stderr"
    cat "$root/dev/stdout" &
    cat "$root/dev/stderr" >&2 &
    exec 8> "$root/dev/stdout" 9> "$root/dev/stderr"
}

close_devices() {
    exec 8>&- 9>&-
    wait
    for name in stdout stderr stdin fd tty console; do
        in_database -qf "/dev/$name" > /dev/null 2>&1 || rm -rf "$root/dev/$name"
    done
}

# One transaction. RPM takes a %post that fails for a warning, and so does a script in Lua: so its words are looked at.
install_packages() { # further arguments of rpm
    in_database --initdb
    status=0
    in_database --install --nosignature "$@" /in/rpms/*.rpm > /tmp/transaction 2>&1 || status=$?
    grep -v -e '^rpm: RPM should not be used directly' -e '^rpm: However assuming' /tmp/transaction || true
    [ $status -eq 0 ] || fail "the RPM transaction ended with status $status"
    if grep -E -i 'scriptlet failed, (exit status|signal)|lua script failed|invalid syntax in lua script' \
        /tmp/transaction > /tmp/scriptlets; then
        fail "$(grep -c . /tmp/scriptlets) scriptlet(s) failed, see above"
    fi
    echo "installed $(in_database -qa | wc -l) packages"
}

# Packs the root, without the places of the devices.
pack_root() {
    mkdir -p /out
    tar --create --file=/out/rootfs.tar --directory="$root" --format=posix --pax-option=delete=atime,delete=ctime \
        --sort=name --numeric-owner --xattrs --xattrs-include='*' --anchored --no-wildcards \
        --exclude=./dev/null --exclude=./dev/zero --exclude=./dev/full --exclude=./dev/random --exclude=./dev/urandom .
}
