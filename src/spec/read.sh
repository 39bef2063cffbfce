umask 022
mkdir -p "$answers" && cd "$answers" || exit 125
command -v rpmspec >/dev/null || { echo 'there is no rpmspec in this image'; exit 127; }

mark() {
    printf "%%{lua:local file = io.open('%s', 'w') if file then file:close() end}0" "$1"
}

spec=$answers/none
ask -E "$(mark "$answers/marks")" >/dev/null 2>&1
printf 'Name: %s\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\n%%%%description\n%%%%files\n' "$boundary" >boundary.spec
: >flat

# flatten EXPANDED FLAT: the same lines for rpm, whatever macros are defined.
flatten() {
    LC_ALL=C sed -e 's/%/%%/g' -e "s/[$separators]//g" "$1" >"$2" && echo "$2" >>flat
}

expand() {
    mark=0
    [ -e marks ] && mark=$(mark "$answers/$number.asked")
    ask -D "with_check $mark" -P "$spec" >$number.parsed 2>$number.stderr || return
    flatten $number.parsed $number.spec || return
    if [ -e marks ] && [ ! -e $number.asked ]; then return 0; fi
    ask -D 'with_check 1' -P "$spec" >$number.checked 2>$number.stderr || return
    flatten $number.checked $number.with.spec
}

# together KIND FORMAT FLAT...: all flat specs by one rpmspec, each with the boundary after it.
together() {
    kind=$1
    format=$2
    shift 2
    for one in "$@"; do
        set -- "$@" "$one" boundary.spec
        shift
    done
    [ $# -eq 0 ] || ask -q "$kind" --qf "$format" "$@"
}

# alone FLAT: one spec by itself; where its flat text will not do, as it was written.
alone() {
    with_check=0
    case $1 in *.with.spec) with_check=1 ;; esac
    ask -q --srpm --qf "$source_format" "$1" >$1.source 2>/dev/null ||
        ask -D "with_check $with_check" -q --srpm --qf "$source_format" "$spec" >$1.source 2>$number.stderr || return
    [ $with_check = 1 ] || ask -q --builtrpms --qf "$binary_format" "$1" >$1.binary 2>/dev/null ||
        ask -D 'with_check 0' -q --builtrpms --qf "$binary_format" "$spec" >$1.binary 2>$number.stderr
}

number=0
for spec in "$@"; do
    number=$((number + 1))
    expand
    echo $? >$number.status
    rm -f $number.asked
done

spec=$answers/none
if ! together --srpm "$source_format" $(cat flat) >source 2>/dev/null ||
    ! together --builtrpms "$binary_format" $(grep -v with flat) >binary 2>/dev/null; then
    rm -f source binary
    number=0
    for spec in "$@"; do
        number=$((number + 1))
        for one in $number.spec $number.with.spec; do
            [ -e $one ] || continue
            alone $one || echo $? >$number.status
        done
    done
fi
rm -f marks ./*.spec
