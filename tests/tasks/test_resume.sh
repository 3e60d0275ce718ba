#!/bin/sh
# SPDX-License-Identifier: MIT
# A run that is killed or interrupted at moments that nobody chose, and resumed with other numbers
# of threads, ends with the bytes of one that was not.
#
#     sh tests/tasks/test_resume.sh GLOWBENCH
set -eu

. "$(dirname "$0")/../support/script.sh"

every=7
set -- --size 16 --levels 2 --steps 1 --n-c 8 --n-w 16 --coupling-channels 16 --samples 1 \
    --checkpoint-every $every --score-every 20 --score-images 2
# So many steps that no run ends before its signal, however late a loaded machine sends it.
endless=1000000

# inode FILE: which file that is; nothing if it is missing.
inode() {
    find "$1" -printf %i 2>/dev/null || true
}

# stop SIGNAL SECONDS RUN ARGUMENT...: starts or resumes a run, sends the signal some time after its
# next checkpoint, and leaves the exit code in $code.
stop() {
    signal=$1
    seconds=$2
    stopped=$3
    shift 3
    before=$(inode "$stopped/checkpoint.safetensors")
    # A shell's background jobs ignore SIGINT.
    env --default-signal=INT "$glowbench" train horses --out "$stopped" "$@" >out 2>err &
    process=$!
    while kill -0 $process 2>/dev/null &&
        [ "$(inode "$stopped/checkpoint.safetensors")" = "$before" ]; do
        sleep 0.01
    done
    sleep "$seconds"
    kill "-$signal" $process 2>/dev/null || true
    code=0
    wait $process 2>/dev/null || code=$?
}

# steps_for RUN: how many steps it shall have in the end, some more than it has now.
steps_for() {
    saved=$(grep -ao '"step":"[0-9]*' "$1/checkpoint.safetensors" | grep -o '[0-9]*$')
    echo $((saved + every + 3))
}

# same RUN WHOLE: its checkpoint, its log and its scores are those of a run that nobody stopped.
same() {
    cmp "$2/checkpoint.safetensors" "$1/checkpoint.safetensors" || complain "$1: checkpoint"
    for run in "$2" "$1"; do
        sed 's/, "\(step\|score\)_seconds.*//' "$run/log.jsonl" >"$run.log"
        sed -n '/"metrics"/,/}/p' "$run/run.json" | grep -v -e seconds -e per_second >"$run.metrics"
    done
    cmp "$2.log" "$1.log" || complain "$1: log"
    cmp "$2.metrics" "$1.metrics" || complain "$1: metrics"
    [ "$(ls "$1")" = "$(ls "$2")" ] || complain "$1: other files"
}

resume=
for threads in 1 2 3 1 2; do
    # shellcheck disable=SC2086 # one option or none
    stop KILL 0.0$((threads * 2 - 2)) killed --threads $threads $resume "$@" --iters $endless
    [ $code -eq 137 ] || complain "exit code $code, not that of a killed program"
    resume=--resume
done
# As a process leaves them that is killed while it writes.
touch killed/checkpoint.safetensors.999999999-0.tmp killed/log.jsonl.999999999-0.tmp
steps=$(steps_for killed)
"$glowbench" train horses --out killed --threads 2 --resume "$@" --iters "$steps" >out 2>err ||
    complain "a resumed run"
grep -q 'resuming at step [0-9]' out || complain "no word of the resumption"
"$glowbench" train horses --out whole --threads 1 "$@" --iters "$steps" >out 2>err || complain "a run"
same killed whole

stop INT 0.03 interrupted --threads 2 "$@" --iters $endless
for signal in TERM HUP XCPU INT; do
    [ $code -eq 130 ] || complain "exit code $code, not 130"
    [ "$(wc -l <err)" -eq 1 ] || complain "not one line of error"
    step=$(sed -n 's/^glowbench: stopped: interrupted: saved after step \([0-9]*\) of '$endless'; .*/\1/p' err)
    [ "${step:-0}" -ge $every ] || complain "no word of what was saved"
    "$glowbench" eval horses --samples 1 --checkpoint interrupted/checkpoint.safetensors >out 2>err.eval ||
        complain "an interrupted run's checkpoint"
    stop $signal 0.02 interrupted --threads 1 --resume "$@" --iters $endless
done
[ $code -eq 130 ] || complain "exit code $code, not 130"
grep -q '; rerun with --resume to continue$' err || complain "no word of how to go on"
set -- "$@" --iters "$(steps_for interrupted)"
"$glowbench" train horses --out interrupted --resume "$@" >out 2>err || complain "going on"
"$glowbench" train horses --out whole2 --threads 1 "$@" >out 2>err || complain "a run"
same interrupted whole2

# Signals that were ignored at the start stay ignored.
(
    trap '' HUP TERM
    "$glowbench" train horses --out ignoring "$@" >out 2>err &
    process=$!
    while kill -0 $process 2>/dev/null && [ ! -s ignoring/checkpoint.safetensors ]; do
        sleep 0.01
    done
    for signal in HUP TERM INT; do
        kill -$signal $process || exit 1
    done
    wait $process
) || complain "a run that ignores signals"
same ignoring whole2

# A picture that cannot be written costs no scores.
rm killed/run.json killed/samples.png
mkdir killed/samples.png
code=0
"$glowbench" train horses --out killed --resume --samples 1 >out 2>err || code=$?
[ $code -eq 2 ] || complain "exit code $code, not 2, without a picture"
[ -s killed/run.json ] || complain "no scores without a picture"
rmdir killed/samples.png

# Done already: the scores are taken again, the time of a step is the log's.
rm killed/run.json
"$glowbench" train horses --out killed --resume --samples 1 >out 2>err || complain "nothing left to do"
same killed whole
grep -q '"step_seconds_median": 0\.0*[1-9]' killed/run.json || complain "no time of a step"

# More steps than were asked for at first, and a row whose end a crash took.
printf '{"step": %d, "bits' "$steps" >>killed/log.jsonl
"$glowbench" train horses --out killed --resume --iters $((steps + 10)) --samples 1 >out 2>err ||
    complain "more steps"
[ "$(sed -n '$ s/.*"step": \([0-9]*\),.*/\1/p' killed/log.jsonl)" = $((steps + 10)) ] || complain "no log of them"
! grep -v '^{.*}$' killed/log.jsonl || complain "half a row in the log"

# job TEST...: the main job, interrupted once the test holds; its exit code in $code.
job() {
    : >out
    env --default-signal=INT "$glowbench" run --quick --out job --threads 2 >out 2>err &
    process=$!
    while kill -0 $process 2>/dev/null && ! "$@"; do
        sleep 0.05
    done
    kill -INT $process 2>/dev/null || true
    code=0
    wait $process || code=$?
}

# The main job resumes by the same command, and keeps what is finished.
job test -s job/lfw/log.jsonl
[ $code -eq 130 ] || complain "exit code $code, not 130, of the main job"
grep -q '; rerun to resume$' err || complain "no word of the main job's resumption"
cp job/horses/run.json finished
job grep -q 'resuming at step [0-9]' out
grep -q '^task 1 of 7, horses: already trained' out || complain "horses is trained again"
grep -q 'resuming at step [0-9]' out || complain "lfw is not resumed"
cmp -s job/horses/run.json finished || complain "a finished run changed"
# Another build or configuration starts over.
sed -i 's/"executable": "./&x/' job/horses/begun.json
job grep -q 'training and' out
! grep -q 'horses: already trained' out || complain "another build's run is taken for its own"

finish
