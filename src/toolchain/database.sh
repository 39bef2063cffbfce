# For scripts that write an RPM database: makes it the same bytes whenever it was written.

close_database() { # its folder
    rm -f "$1/.rpm.lock"
    for file in "$1"/*.sqlite; do
        [ -f "$file" ] || continue
        [ ! -s "$file-wal" ] || { echo 'drydock: the RPM database was not closed' >&2; exit 1; }
        rm -f "$file-shm" "$file-wal"
        # Whoever may not write beside a database in write-ahead mode cannot read it either: bytes 18 and 19 tell the mode
        # (https://www.sqlite.org/fileformat2.html). rpm sets it again when it writes.
        printf '\001\001' | dd of="$file" bs=1 seek=18 conv=notrunc 2> /dev/null
    done
}
