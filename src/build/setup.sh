# Makes the folders of a build in a throwaway container; read by build.sh and shell.sh.
# In: /drydock/sources with the spec and its sources, read-only. Out: the folders of rpmbuild below $top, which is entered.
umask 022
top=/var/tmp/drydock

give_up() {
    echo "drydock: $1"
    exit 125
}

mkdir -p "$top/BUILD" "$top/BUILDROOT" "$top/RPMS" "$top/SOURCES" "$top/SRPMS" "$top/home" "$top/tmp" "$top/out" ||
    give_up "cannot make folders in $top"
# Owner, mode and time of sources enter the source package: copies have the same ones on every host.
cp -R /drydock/sources/. "$top/SOURCES/" || give_up "cannot copy the sources"
find "$top/SOURCES" -type f -exec chmod u+rw,go+r,go-w {} + || give_up "cannot set the sources' permissions"
find "$top/SOURCES" -type f -exec touch -d "@$SOURCE_DATE_EPOCH" {} + || give_up "cannot set the sources' times"
export HOME="$top/home" TMPDIR="$top/tmp"
# Specs that need root may also count on its home folder.
[ "$(id -u)" -ne 0 ] || HOME=/root
cd "$top" || give_up "cannot enter $top"
