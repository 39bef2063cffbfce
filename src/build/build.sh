#!/bin/sh
# Runs one rpmbuild in a throwaway container: build.sh SPEC-FILE RPMBUILD-ARGUMENT...
# In: what setup.sh takes. Out: RPMs in /var/tmp/drydock/out.
# Exit status: rpmbuild's; 125 when the container's own folders cannot be made.
exec 2>&1
. /drydock/setup.sh
spec=$1
shift

echo 'drydock: rpmbuild starts'
rpmbuild "$@" "$top/SOURCES/$spec"
status=$?

case $status in
0 | 11)
    find RPMS SRPMS -type f -name '*.rpm' -exec mv {} out/ ';' || give_up "cannot collect the RPMs"
    ;;
esac
exit "$status"
