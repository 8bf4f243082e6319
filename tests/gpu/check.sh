#!/usr/bin/env bash
# Runs everything that needs a card, on a machine that may have no network: docs/gpu.md says how.
#
# usage: tests/gpu/check.sh OUT [--minutes M] [--device gpu|cpu] [--backend torch] [--backend jax] [--only PART]
#                               [--pack FOLDER]
#
# The interpreter is python3, or the one that PYTHON names. What it lacks is installed from the pack alone
# (tests/gpu/pack.sh), into a temporary folder: nothing in its own environment changes.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-python3}

usage() { sed -n 's/^# usage: /usage: /p' "$0" >&2; exit 2; }

pack=$root/.pack arguments=()
while [ $# -gt 0 ]; do
    case "$1" in
        --pack) pack=${2:-}; [ -n "$pack" ] || usage; shift 2 ;;
        *) arguments+=("$1"); shift ;;
    esac
done
[ ${#arguments[@]} -gt 0 ] || usage
ls "$pack"/*.whl >/dev/null 2>&1 || { echo "No wheels in $pack: run tests/gpu/pack.sh where there is a network." >&2; exit 2; }

site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
# All of it, and nothing else: the pack holds what is lacking, and an index is never asked.
"$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --disable-pip-version-check \
    --target "$site" "$pack"/*.whl
export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
"$python" -c "import detaudit.cli, numpy, rich" || { echo "$python and $pack do not make a whole detaudit: see tests/gpu/pack.sh." >&2; exit 3; }
"$python" "$root/tests/gpu/check.py" "${arguments[@]}"
