# Installs the RPMs of /in/rpms into an empty root and packs it: install.sh, after database.sh and root.sh, in a container
# of the image that has rpm.
# Out: /out/rootfs.tar. SOURCE_DATE_EPOCH is the time of the transaction.

set -eu
umask 022
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
root=/var/tmp/drydock-root
database=/var/lib/rpm

open_devices
install_packages
close_devices
rm -f "$root/var/cache/ldconfig/aux-cache"
close_database "$root$database"
# The rpm of the new root may look for its database elsewhere.
own=$(chroot "$root" rpm --eval '%{_dbpath}' 2> /dev/null < /dev/null) || own=$database
if [ "$own" != "$database" ]; then
    mkdir -p "$root$own"
    mv "$root$database"/* "$root$own"
    rmdir "$root$database"
fi
pack_root
