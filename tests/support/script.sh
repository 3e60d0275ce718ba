# SPDX-License-Identifier: MIT
# For test scripts, which source it: an empty working directory, and checks that count failures.
#
#     . "$(dirname "$0")/../support/script.sh"
#
# The script's first argument is the program, $glowbench; $tests is the script's own directory.
glowbench=$1
tests=$(cd "$(dirname "$0")" && pwd)
directory=$(mktemp -d)
trap 'rm -r "$directory"' EXIT
cd "$directory"
failures=0
unset GB_BACKEND
export XDG_CACHE_HOME="$directory/cache"

complain() {
    echo "FAILED: $*"
    cat "$directory/out" "$directory/err"
    failures=$((failures + 1))
}

# run ARGUMENT...: the program; leaves the exit code in $code, the output in out and err.
run() {
    code=0
    "$glowbench" "$@" >out 2>err || code=$?
}

# gives CODE PATTERN ARGUMENT...: that exit code, and PATTERN (grep's) in what it prints; one line on
# stderr unless the code is 0.
gives() {
    expected=$1
    pattern=$2
    shift 2
    run "$@"
    [ "$code" -eq "$expected" ] || complain "exit code $code, not $expected: $*"
    cat out err | grep -q -e "$pattern" || complain "no '$pattern': $*"
    [ "$(wc -l <err)" -eq $((expected != 0)) ] || complain "lines on stderr: $*"
}

# has FILE TEXT...: the file has each text.
has() {
    file=$1
    shift
    for text in "$@"; do
        grep -qF -e "$text" "$file" || complain "$file has no: $text"
    done
}

finish() {
    [ $failures -eq 0 ] || echo "$failures failures"
    exit $((failures > 0))
}
