#!/bin/sh
# Unpacks the sources of a package in a throwaway container and starts a program there: shell.sh SPEC-FILE [COMMAND...]
# In: what setup.sh takes, and the macros of the build, /drydock/macros/* and /drydock/rpmmacros, which become ~/.rpmmacros:
# rpmbuild then does what it does in the build. Exit status: that of the program; 125 when the container's own folders cannot be made.
exec 3>&1 1>&2
. /drydock/setup.sh
spec=$1
shift
for file in /drydock/macros/* /drydock/rpmmacros; do
    [ -f "$file" ] || continue
    { cat "$file" && echo; } >>"$HOME/.rpmmacros" || give_up "cannot write $HOME/.rpmmacros"
done

rpmbuild -bp "SOURCES/$spec" >prep.log 2>&1
status=$?
if [ "$status" -ne 0 ]; then
    tail -n 30 prep.log
    echo "drydock: rpmbuild -bp failed with exit status $status; all it said is in $top/prep.log"
fi

# The sources: BUILD/NAME-VERSION, and since RPM 4.20 BUILD/NAME-VERSION-build/NAME-VERSION.
cd BUILD || give_up "cannot enter $top/BUILD"
for level in 1 2; do
    inside=
    for entry in *; do
        case $entry in
        *-SPECPARTS | SPECPARTS | BUILDROOT) ;;
        *) inside="$inside/$entry" ;;
        esac
    done
    inside=${inside#/}
    [ -d "$inside" ] && cd "$inside"
done

if [ $# -eq 0 ]; then
    echo "drydock: sources unpacked in $PWD; \`rpmbuild -bc --noprep ~/../SOURCES/$spec\` goes on from there"
    for shell in bash sh; do
        command -v "$shell" >/dev/null && set -- "$shell" && break
    done
fi
exec 1>&3 3>&-
exec "$@"
