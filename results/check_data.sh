#!/bin/sh
# SPDX-License-Identifier: MIT
# Are these the data sets that the figures of results/ come from? Checks a downloaded copy, laid out
# as results/DATA.md says, against the number of files and a digest of each directory.
#
#     sh results/check_data.sh DIR [SET...]
#     sh results/check_data.sh --digest DIR    prints the list of this script for a copy
#
# A digest is the SHA-256 of the lines "SHA-256  NAME" of the directory's files, sorted by name: what
# `sha256sum` prints. Exit code: 0 all of them match, 1 one does not, 2 nothing was found.
set -eu
LC_ALL=C
export LC_ALL

# directory, pattern of the names that count, files, digest
sets() {
    cat <<'END'
weizmann_horse/rgb * 328 6a54c5a07e6bc54dd268564f406d0d66c31b71f8e1c660d2b38e4e21dec9788e
weizmann_horse/figure_ground * 328 d2c889e8cb97783f3e502a00a3453e97dbd910141563d8c2409da4056b5b1cc8
lfw_parts/lfw_funneled *.jpg 2927 c77c6a776ebd5b700ff0ba1c52aa7ce588ec4286b4d6148922ac3d12a431f346
lfw_parts/parts_lfw_funneled_gt_images *.ppm 2927 7628f45b2a703bfbf63fbfea063ab6bfe1acc38340df7098fbf042dc6a3f9407
lfw_parts parts_*.txt 3 84b56afdf13c88d7afda7dcf143b875c530fd584d16f5f1aa137b098d9bc8ae8
bsds500/images/train *.jpg 200 9de25bdaf5db109f390ba0166233ad92ef1e27696c0f60e43d2ce424e0e7061b
bsds500/images/val *.jpg 100 c2541b97777ee29fa81b59a033bd257696b50a173e39a1be8ce527e14db9a735
bsds500/images/test *.jpg 200 f16a24f8844858615249ad8872c65a8fa98b112d2c2b4f537875d1adb0e7cd5b
sr_sets/Set5 *.png 5 7ae4b2e4a351dd0174f1d49add89c62f19d897fe0c79c6b65fca1ed0b0c55c6a
sr_sets/Set14 *.png 14 d109a7578ede4d50c01a07c0d9924d797a0bb2cce8afe2eb6cf0dc7aa90fed6e
seven_scenes/redkitchen/seq-01 *.depth.png 303 f361492d9907172b6cb9dfa6dd027cacafa3f8ddd1c69fe23f3dcecaecda4f9c
seven_scenes/redkitchen/seq-01 *.pose.txt 303 a6962ba8739dd5e9f36256bbf4242b761b959e5b88ce6305c8860d3fbaaa5d78
chase_db1 Image_* 84 3327799e07b78318181353b7a7e58fa86bd08ad3cee118f9f51abf5e121653dc
END
}

# digest DIR PATTERN: "FILES DIGEST".
digest() {
    (cd "$1" && find . -type f -name "$2" | sed 's,^\./,,' | sort | tr '\n' '\0' | xargs -0 sha256sum) >"$list"
    echo "$(wc -l <"$list") $(sha256sum <"$list" | cut -d ' ' -f 1)"
}

list=$(mktemp)
trap 'rm -f "$list"' EXIT
print=false
if [ "${1-}" = --digest ]; then
    print=true
    shift
fi
if [ $# -eq 0 ] || [ ! -d "$1" ]; then
    echo "usage: sh results/check_data.sh [--digest] DIR [SET...]" >&2
    exit 2
fi
data=$1
shift
found=0
failed=0
while read -r directory pattern files expected; do
    if [ $# -gt 0 ]; then
        case " $* " in
        *" ${directory%%/*} "*) ;;
        *) continue ;;
        esac
    fi
    if [ ! -d "$data/$directory" ]; then
        echo "$directory: missing"
        continue
    fi
    found=$((found + 1))
    actual=$(digest "$data/$directory" "$pattern")
    if $print; then
        echo "$directory $pattern $actual"
    elif [ "$actual" = "$files $expected" ]; then
        echo "$directory: $files files match"
    else
        echo "$directory: differs: ${actual% *} files (expected $files), or other bytes"
        failed=$((failed + 1))
    fi
done <<END
$(sets)
END
if [ $found -eq 0 ]; then
    echo "FAIL: no data set in $data"
    exit 2
fi
[ $failed -eq 0 ] && ! $print && echo "PASS: $found directories" || $print || echo "FAIL: $failed of $found directories differ"
[ $failed -eq 0 ]
