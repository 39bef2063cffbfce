# Says where the copy to "$1" goes: place.sh, in the image. The other arguments are the folders that are copied, relative
# to it, an empty one for itself. Out: the place, with the links among its folders followed, with a `/` at its end where
# it is a folder; then those of the folders that are something else in the image.

set -eu
path=$1 rest=
shift
while [ ! -d "$path" ]; do
    rest=/${path##*/}$rest
    path=${path%/*}
    [ -n "$path" ] || path=/
done
cd -P "$path"
path=$(pwd -P)
path=${path%/}${rest:-/}
printf '%s\n' "$path"
for folder; do
    at=${path%/}${folder:+/$folder}
    if [ -L "$at" ] || { [ -e "$at" ] && [ ! -d "$at" ]; }; then
        printf '%s\n' "$folder"
    fi
done
