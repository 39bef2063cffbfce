# Installs the RPMs of /in/rpms into an empty root and packs it: install.sh, after database.sh, in a container of
# the image that has rpm.
# Out: /out/rootfs.tar. SOURCE_DATE_EPOCH is the time of the transaction. Nothing is mounted.

set -eu
umask 022
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
root=/var/tmp/drydock-root
database=/var/lib/rpm

fail() { # text
    echo "drydock: $*" >&2
    exit 1
}

in_database() { # arguments of rpm
    rpm --root "$root" --dbpath "$database" "$@"
}

# What scriptlets want to see. A container that must not make devices gets by with an empty file for /dev/null.
mkdir -p "$root/dev"
mknod -m 666 "$root/dev/null" c 1 3 2> /dev/null || : > "$root/dev/null"

in_database --initdb
status=0
in_database --install --nosignature /in/rpms/*.rpm > /tmp/transaction 2>&1 || status=$?
grep -v -e '^rpm: RPM should not be used directly' -e '^rpm: However assuming' /tmp/transaction || true
[ $status -eq 0 ] || fail "the RPM transaction ended with status $status"
# RPM takes a %post that fails for a warning.
if grep -E -i 'scriptlet failed, (exit status|signal)|lua script failed' /tmp/transaction > /tmp/scriptlets; then
    fail "$(grep -c . /tmp/scriptlets) scriptlet(s) failed, see above"
fi
echo "installed $(in_database -qa | wc -l) packages"

rm -f "$root/var/cache/ldconfig/aux-cache"
in_database -qf /dev/null > /dev/null 2>&1 || rm -f "$root/dev/null"
close_database "$root$database"
# The rpm of the new root may look for its database elsewhere.
own=$(chroot "$root" rpm --eval '%{_dbpath}' 2> /dev/null < /dev/null) || own=$database
if [ "$own" != "$database" ]; then
    mkdir -p "$root$own"
    mv "$root$database"/* "$root$own"
    rmdir "$root$database"
fi
mkdir -p /out
tar --create --file=/out/rootfs.tar --directory="$root" --format=posix --pax-option=delete=atime,delete=ctime \
    --sort=name --numeric-owner --xattrs --xattrs-include='*' .
