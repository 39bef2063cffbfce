# Reads the specs "$@", as script.rs describes. A spec runs programs while it is expanded: so each has a user of its own and
# one place to write to, and nothing of it is left when the next one comes.

umask 022
command -v rpmspec >/dev/null || { echo 'there is no rpmspec in this image'; exit 127; }
mkdir "$answers" "$flats" && cd "$answers" || exit 126
nobody=61184 # As the numbers after it nobody's: systemd takes them for services of the moment.
user=$nobody

# turn COMMAND…: as $user, in the place of specs and within the limits of one. $within begins a command that has a time
# limit of its own; nothing is in it where whoever started this container looks at the time.
turn() {
    (
        cd "$place" || exit 126
        # One that cannot be set is lower already, and then it holds.
        ulimit -f "$blocks" 2>/dev/null || [ "$(ulimit -H -f)" != unlimited ] || exit 126
        case $become in
            setpriv) exec $within setpriv --reuid "$user" --regid "$user" --clear-groups "$@" ;;
            chroot) exec $within chroot --skip-chdir --userspec="$user:$user" --groups= / "$@" ;;
            none) exec "$@" ;;
        esac
    )
}

# part USERS: what keeps so many users apart. Nobody can write to anything any more but to $place, which is in memory.
part() {
    home=$(sed -n '/^builder:/{s/\([^:]*:\)\{5\}\([^:]*\).*/\2/p;q;}' /etc/passwd) ||
        [ $? = 127 ] || exit "$unclean" # Killed, perhaps: then nobody knows.
    [ "$home" ] || { echo 'there is no user builder in this image'; exit 127; }
    export HOME="$home"
    for become in setpriv chroot none; do
        turn true 2>/dev/null && break
    done
    [ "$become" != none ] && chmod 700 "$answers" &&
        { [ ! -d "$home" ] || [ "$home" = / ] || chmod -R go=rX "$home"; } &&
        find / /dev/* -xdev ! -path "$place" \( -type d -o -type f \) -perm -0002 -exec chmod o-w {} + || exit "$unable"
    # Who asks who he is gets the answer that he gets in a build.
    while [ "$user" -le $((nobody + $1)) ]; do
        echo "builder:x:$user:$user::$home:/bin/sh" >>/etc/passwd
        echo "builder:x:$user:" >>/etc/group
        user=$((user + 1))
    done
    user=$nobody
    set -- /proc/[0-9]*
    ours=$#
}

# over: the end of a turn. No process, no file, no shared memory is left of it.
over() {
    [ "$become" != none ] || return 0
    kill -9 -1 2>/dev/null # All but this shell and process 1.
    tries=0
    while set -- /proc/[0-9]* && [ $# -gt "$ours" ]; do
        tries=$((tries + 1))
        [ $tries -le 20 ] || sleep 0.1
        [ $tries -le 200 ] || exit "$unclean"
    done
    for left in "$place"/* "$place"/.[!.]* "$place"/..?*; do
        [ -e "$left" ] || [ -L "$left" ] || continue
        find "$place" -mindepth 1 -delete || exit "$unclean"
        break
    done
    for kind in /proc/sysvipc/*; do
        [ ! -e "$kind" ] || ! { read -r line && read -r line; } <"$kind" || exit "$unclean"
    done
}

# starved: something was killed for want of memory, and who waited for it may have taken nothing for its answer.
starved() {
    for events in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
        [ -e $events ] || continue
        while read -r name count; do
            [ "$name" != oom_kill ] || [ "$count" = 0 ] || return 0
        done <$events
    done
    return 1
}

mark() {
    printf "%%{lua:local file = io.open('%s', 'w') if file then file:close() end}0" "$1"
}

# flatten EXPANDED…: the same lines for rpm, whatever macros are defined; and at the end a package that nobody else makes.
flatten() {
    [ $# -gt 0 ] || return 0
    cp "$@" "$flats" && (cd "$flats" && LC_ALL=C sed -E -i "$inert"'
$a\
%package -n '"$boundary"'\
Summary: x\
%description -n '"$boundary"'\
%files -n '"$boundary" "$@")
}

# expanded FILE: the expanded text. The rpm of 2022 loses the line in it that ends %prep: where that matters, one to lose is
# put in.
expanded() {
    text=$spec
    if [ "$loses" = yes ]; then
        text=$place/${spec##*/}
        sed '/^%[pP][rR][eE][pP]\([[:space:]].*\)\{0,1\}$/a\
%clean' "$spec" >"$text" || return
    fi
    ask -D "with_check $with_check" -P "$text" >"$1" 2>"$number.stderr" && return
    status=$?
    [ "$text" = "$spec" ] || ask -D "with_check $with_check" -P "$spec" >"$1" 2>"$number.stderr" || status=$?
    return $status
}

expand() {
    with_check=$zero
    expanded $number.parsed || return
    echo $number.parsed >>flat
    [ "$marks" = no ] || [ -e "$place/asked" ] || return 0
    with_check=1
    expanded $number.checked || return
    echo $number.checked >>flat
}

# together KIND FORMAT FLAT...: all flat specs by one rpmspec.
together() {
    kind=$1
    format=$2
    shift 2
    for one in "$@"; do
        set -- "$@" "$flats/$one"
        shift
    done
    [ $# -eq 0 ] || ask -q "$kind" --qf "$format" "$@"
}

# alone FLAT: one spec by itself; where its flat text will not do, as it was written.
alone() {
    with_check=0
    case $1 in *.checked) with_check=1 ;; esac
    ask -q --srpm --qf "$source_format" "$flats/$1" >$1.source 2>/dev/null ||
        ask -D "with_check $with_check" -q --srpm --qf "$source_format" "$spec" >$1.source 2>$number.stderr || return
    [ $with_check = 1 ] || ask -q --builtrpms --qf "$binary_format" "$flats/$1" >$1.binary 2>/dev/null ||
        ask -D 'with_check 0' -q --builtrpms --qf "$binary_format" "$spec" >$1.binary 2>$number.stderr
}

# next ARGUMENT: the spec of this turn.
next() {
    number=$((number + 1))
    user=$((nobody + number))
    loses=no
    case $1 in "$loses_section"*) loses=yes ;; esac
    spec=${1#"$loses_section"}
}

become=none
[ "$way" != apart ] || part $#
spec=$answers/none
marks=no
zero=$(mark "$place/asked")
ask -E "$zero" >/dev/null 2>&1
[ -e "$place/asked" ] && marks=yes || zero=0
over

: >flat
number=0
echo begun
for one in "$@"; do
    next "$one"
    expand
    echo $? >$number.status
    over
    echo $number
done

user=$nobody
spec=$answers/none
# Nobody could know it when he wrote his spec.
read -r random </proc/sys/kernel/random/uuid && boundary=$boundary-$random && echo "$boundary" >boundary || exit 126
flatten $(cat flat) || exit 126
a_spec=$within
within=$within_all
if ! together --srpm "$source_format" $(cat flat) >source 2>/dev/null ||
    ! together --builtrpms "$binary_format" $(grep -v checked flat) >binary 2>/dev/null; then
    rm -f source binary
    within=$a_spec
    number=0
    for one in "$@"; do
        next "$one"
        for one in $number.parsed $number.checked; do
            [ -e "$flats/$one" ] || continue
            alone $one || echo $? >$number.status
            over
        done
    done
fi
over
! starved || exit "$unclean"
