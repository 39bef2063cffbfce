#!/bin/sh
# Runs rpmbuild in a throwaway container: build.sh SPEC-FILE SRPM -ba|-bs [--nocheck|--nodeps] RPMBUILD-ARGUMENT...
# SRPM is the name-version-release that the spec had when it was planned.
# In: what setup.sh takes; RPM_BUILD_NCPUS; where the run has a jobserver, its pipe /drydock-jobserver.
# Out: RPMs in /var/tmp/drydock/out. Exit status: rpmbuild's; 125 when the container's own folders cannot be made.
exec 2>&1
. /drydock/setup.sh
spec=$1
srpm=$2
shift 2
pipe=/drydock-jobserver

# True for GNU make 4.4 and later, which know named pipes.
make_knows_pipes() {
    # shellcheck disable=SC2046
    set -- $(make --version 2>/dev/null | sed -n '1s/^GNU Make \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
    [ "${1:-0}" -gt 4 ] || { [ "${1:-0}" -eq 4 ] && [ "${2:-0}" -ge 4 ]; }
}

# The commands of the spec that use %_smp_mflags, one a line, without comments and changelog.
parallel_commands() {
    case $2 in --no*) shift ;; esac
    shift
    rpmspec -P "$@" "$top/SOURCES/$spec" 2>/dev/null |
        sed -e :join -e '/\\$/{N;s/\\\n/ /;b join' -e '}' -e '/^[[:space:]]*[-*+#] /d' -e '/^[[:space:]]*#/d' -e 's/[;&|]/\n/g' |
        grep -F RPM_BUILD_JOBSERVER
}

# True when make alone runs them: no other program knows --jobserver-auth.
only_make() {
    word="([^'\"]|\"[^\"]*\"|'[^']*')*"
    flags='\$\{RPM_BUILD_JOBSERVER:--j\$\{RPM_BUILD_NCPUS\}\}'
    commands=$(parallel_commands "$@")
    [ -n "$commands" ] &&
        ! printf '%s\n' "$commands" | grep -Evq "(^|[[:space:](])(/usr/bin/)?make([[:space:]]$word)?[[:space:]]$flags([[:space:])]|\$)" &&
        ! printf '%s\n' "$commands" | grep -Eq "[[:space:]](-j|--jobs)[[:space:]=]*[0-9].*$flags"
}

starts='drydock: rpmbuild starts'
if [ -p "$pipe" ] && make_knows_pipes && only_make "$@"; then
    export RPM_BUILD_JOBSERVER="--jobserver-auth=fifo:$pipe"
    starts="$starts with the jobserver"
fi
echo "$starts"
what=$1
shift
# How RPMs are compressed is the affair of the image and of the pipeline; where neither has a word on it, fast.
for kind in binary source; do
    [ "$(rpmbuild "$@" --eval "%{?_${kind}_payload}" 2>/dev/null)" ] ||
        set -- "$@" --define "_${kind}_payload w3.zstdio"
done
if [ "$what" = -ba ]; then
    # Before the build: specs may change their sources, or move them away.
    rpmbuild -bs --nodeps "$@" "$top/SOURCES/$spec" || exit
    what=-bb
    if [ ! -e "SRPMS/$srpm.src.rpm" ] && [ ! -e "SRPMS/$srpm.nosrc.rpm" ]; then
        # Nobody can take what would be built.
        mv SRPMS/*.rpm out/ || give_up "cannot collect the RPMs"
        exit 0
    fi
fi
# The container goes as it is: %clean would fail over folders that a tarball made read-only.
rpmbuild --noclean "$what" "$@" "$top/SOURCES/$spec"
status=$?

case $status in
0 | 11)
    find RPMS SRPMS -type f -name '*.rpm' -exec mv {} out/ ';' || give_up "cannot collect the RPMs"
    ;;
esac
exit "$status"
