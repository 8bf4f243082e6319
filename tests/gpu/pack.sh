#!/usr/bin/env bash
# Packs what a machine with a card lacks, so that check.sh needs no network there.
#
# usage: tests/gpu/pack.sh [--python-version 3.12] [--to .pack]
#
# Fills one ignored folder with wheels of Keras, of detaudit and of what they need. Left out is what the machine has:
# JAX, Torch, and what these bring along (a second NumPy beside the one that JAX was built for would hide it).
set -euo pipefail
cd "$(dirname "$0")/../.."

version=3.12 folder=.pack
while [ $# -gt 0 ]; do
    case "$1" in
        --python-version) version=${2:?--python-version needs a version, such as 3.12}; shift 2 ;;
        --to) folder=${2:?--to needs a folder}; shift 2 ;;
        *) sed -n 's/^# usage: /usage: /p' "$0" >&2; exit 2 ;;
    esac
done

present="numpy ml_dtypes rich markdown_it_py mdurl pygments nvidia_ml_py"
largest=60 # MB

mkdir -p "$folder"
rm -f "$folder"/*.whl
python3 -m pip wheel --quiet --no-deps --wheel-dir "$folder" .
platforms=()
for minor in 17 24 27 28 31 34; do platforms+=(--platform "manylinux_2_${minor}_$(uname -m)"); done
platforms+=(--platform "manylinux2014_$(uname -m)")
python3 -m pip download --quiet --dest "$folder" --only-binary=:all: --python-version "$version" \
    --implementation cp "${platforms[@]}" "$folder"/detaudit-*.whl 'keras>=3'
for name in $present; do rm -f "$folder/$name"-*.whl; done

size=$(du -sm "$folder" | cut -f1)
[ "$size" -le "$largest" ] || { echo "$folder holds $size MB, over $largest: leave more out" >&2; exit 1; }
echo "$folder: $(ls "$folder" | wc -l) wheels for Python $version, $size MB"
