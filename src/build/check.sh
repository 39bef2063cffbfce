#!/bin/sh
# Runs %check for rpmbuild, once, and tells its result apart: check.sh keep|stop COMMAND...
# Writes the exit status to /var/tmp/drydock/out/check-status. `keep` makes packages of a build whose tests fail.
on_failure=$1
shift
"$@"
status=$?
echo "$status" >/var/tmp/drydock/out/check-status || exit 125
if [ "$status" -ne 0 ] && [ "$on_failure" = keep ]; then
    echo "drydock: %check failed with exit status $status; the packages are made all the same"
    exit 0
fi
exit "$status"
