#!/bin/sh
# SPDX-License-Identifier: MIT
# Downloads oneDNN 3.2 for GNU OpenMP from PyPI (39 MB) into the cache, unless it is there, and prints
# its prefix (include/ and lib/), for CMAKE_PREFIX_PATH or the preset onednn3.
#
#     GB_ONEDNN3=$(sh cmake/onednn3.sh) sh cmake/build.sh onednn3 all
set -eu

prefix="${XDG_CACHE_HOME:-$HOME/.cache}/glowbench/onednn-3.2"
if [ -e "$prefix/lib/libdnnl.so" ]; then
    echo "$prefix"
    exit 0
fi

sh "$(dirname "$0")/dependencies.sh" --pip
mkdir -p "$(dirname "$prefix")"
work=$(mktemp -d "$prefix.XXXXXX") # on the same file system: the last step is a rename
trap 'rm -rf "$work"' EXIT
cat >"$work/requirements.txt" <<'REQUIREMENTS'
onednn-devel-cpu-gomp==2023.2.0 --hash=sha256:9763c69e8c907e119056bd52ad918ca84ac9ba939d130a99dfa95ccca3e5e284
onednn-cpu-gomp==2023.2.0 --hash=sha256:2f22a54d6a890ed14bfa185d42a4be65d8b5b1df85dc1f0f3a9abe31620416fb
REQUIREMENTS
{
    python3 -m pip download --disable-pip-version-check --no-deps --require-hashes \
        --only-binary :all: --dest "$work" --requirement "$work/requirements.txt"
    for wheel in "$work"/*.whl; do
        python3 -m zipfile -e "$wheel" "$work"
    done
} >&2
mkdir "$work/prefix"
cp -r "$work"/*.data/data/* "$work/prefix"
# Wheels hold no symbolic links, but a copy of the library under each of its three names.
for name in libdnnl.so libdnnl.so.3; do
    ln -sf libdnnl.so.3.2 "$work/prefix/lib/$name"
done
mv -T "$work/prefix" "$prefix"
echo "$prefix"
