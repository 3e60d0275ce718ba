#!/bin/sh
# SPDX-License-Identifier: MIT
# The command line of the built program: exit codes, one line of error, help.
#
#     sh tests/test_cli.sh GLOWBENCH
set -eu

glowbench=$1
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
failures=0
unset GB_BACKEND

complain() {
    echo "FAILED: $*"
    cat "$folder/out" "$folder/err"
    failures=$((failures + 1))
}

# run ARGUMENT...: leaves the exit code in $code, the output in out and err.
run() {
    code=0
    "$glowbench" "$@" >"$folder/out" 2>"$folder/err" || code=$?
}

# fails CODE MESSAGE ARGUMENT...: exit code CODE, exactly one line on stderr, which is MESSAGE, and
# nothing on stdout.
fails() {
    expected=$1
    message=$2
    shift 2
    run "$@"
    [ "$code" -eq "$expected" ] || complain "exit code $code, not $expected: $*"
    [ "$(cat "$folder/err")" = "glowbench: $message" ] || complain "not '$message': $*"
    [ ! -s "$folder/out" ] || complain "output: $*"
}

# works PATTERN ARGUMENT...: exit code 0, PATTERN (grep's) in the output, nothing on stderr.
works() {
    pattern=$1
    shift
    run "$@"
    [ "$code" -eq 0 ] || complain "exit code $code: $*"
    grep -q -e "$pattern" "$folder/out" || complain "no '$pattern': $*"
    [ ! -s "$folder/err" ] || complain "errors: $*"
}

works '^usage: glowbench COMMAND' --help
works '^glowbench [0-9]' --version
"$glowbench" --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' >"$folder/commands"
while read -r command; do
    works "^usage: glowbench $command" "$command" --help
    fails 2 "unknown option: --nothing: see glowbench $command --help" "$command" --nothing
done <"$folder/commands"

fails 2 'missing command: COMMAND: see glowbench --help'
fails 2 'unknown command: nothing: see glowbench --help' nothing
fails 2 'unknown command: --nothing: see glowbench --help' --nothing
fails 2 'unknown command: two?lines: see glowbench --help' 'two
lines'

works '^backends' list
works 'conv_forward .*scalar' list
fails 2 'unexpected argument: x: see glowbench list --help' list x

works '^backends .*the default' info
fails 2 'missing argument: --json: see glowbench info --help' info --json
fails 2 'unexpected argument: x: see glowbench info --help' info x
export GB_BACKEND=scalar
works '^ .*scalar .*the default' info
export GB_BACKEND=nothing
run info
if [ "$code" -ne 2 ] || ! grep -q '^glowbench: unknown backend: nothing: GB_BACKEND' "$folder/err"; then
    complain "an unknown GB_BACKEND"
fi
unset GB_BACKEND
works '^build' info --json "$folder/info.json"
for name in model instruction_sets caches memory_bytes flags commit backends; do
    grep -q "\"$name\":" "$folder/info.json" || complain "no $name in info --json"
done
run info --json "$folder/nothing/info.json"
[ "$code" -eq 2 ] || complain "exit code $code: a file in a folder that is not there"
[ "$(wc -l <"$folder/err")" -eq 1 ] || complain "not one line of error"

run info --run "$folder"
[ "$code" -eq 2 ] || complain "exit code $code: a run that is not there"
echo '{"flops_per_step": 1e9, "parameters": 1000000, "threads": 1}' >"$folder/run.json"
fails 2 "cannot read run: $folder/run.json: no positive number step_seconds_median" \
    info --run "$folder"
echo '{"flops_per_step": 1e9, "parameters": 1e6, "step_seconds_median": 1, "threads": 1}' \
    >"$folder/run.json"
works ' of the ideal speed$' info --run "$folder" --json "$folder/info.json"
for name in fma_fp32_gflops triad_gbs update_gbs; do
    grep -q "\"$name\": [0-9.]*[1-9]" "$folder/info.json" || complain "no peaks.$name"
done

[ $failures -eq 0 ] || exit 1
