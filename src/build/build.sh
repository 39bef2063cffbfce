#!/bin/sh
# Runs one rpmbuild in a throwaway container: build.sh SPEC-FILE RPMBUILD-ARGUMENT...
# In: /drydock/sources with the spec and its sources, read-only. Out: RPMs in /var/tmp/drydock/out.
# Exit status: rpmbuild's; 125 when the container's own folders cannot be made.
exec 2>&1
umask 022
top=/var/tmp/drydock
spec=$1
shift

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
cd "$top" || give_up "cannot enter $top"

echo 'drydock: rpmbuild starts'
rpmbuild "$@" "$top/SOURCES/$spec"
status=$?

case $status in
0 | 11)
    find RPMS SRPMS -type f -name '*.rpm' -exec mv {} out/ ';' || give_up "cannot collect the RPMs"
    ;;
esac
exit "$status"
