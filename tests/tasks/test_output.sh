#!/bin/sh
# SPDX-License-Identifier: MIT
# Output is never lost: links, pipes, closed streams, two runs in one place, signals, what killed
# processes leave, data that are repaired.
#
#     sh tests/tasks/test_output.sh GLOWBENCH
set -eu
. "$(dirname "$0")/../support/script.sh"

tiny='--size 16 --levels 2 --steps 1 --n-c 8 --n-w 16 --coupling-channels 16 --samples 1 --threads 1'
host=$(uname -n)

# train OUT ARGUMENT...: a tiny run.
train() {
    out=$1
    shift
    # shellcheck disable=SC2086 # options without blanks
    gives 0 "^$out: " train horses --out "$out" $tiny "$@"
}

# evaluate ARGUMENT...: scores of the run in good/.
evaluate() {
    gives 0 mean_iou eval horses --samples 1 --checkpoint good/checkpoint.safetensors "$@"
}

# is_json FILE
is_json() {
    [ "$(head -c 1 "$1")" = '{' ] && [ "$(tail -c 2 "$1")" = '}' ] || complain "no JSON: $1"
}

train good --iters 4

# ---- Links, and files that exist

mkdir away
ln -s away/scores.json link
ln -s link chain
for name in link chain; do
    evaluate --json $name
    [ -L $name ] || complain "$name is no longer a link"
    is_json away/scores.json
    rm away/scores.json
done
echo old >private
chmod 600 private
evaluate --json private
[ "$(stat -c %a private)" = 600 ] || complain "other permissions: $(stat -c %a private)"
is_json private

mkdir linked
for name in checkpoint.safetensors run.json samples.png log.jsonl; do
    ln -s ../away/$name linked/$name
done
train linked --iters 4
for name in checkpoint.safetensors run.json samples.png log.jsonl; do
    [ -L linked/$name ] || complain "linked/$name is no longer a link"
    [ -s away/$name ] || complain "nothing in away/$name"
done
cmp good/checkpoint.safetensors away/checkpoint.safetensors || complain "another checkpoint"

# ---- Devices and pipes

code=0
"$glowbench" eval horses --samples 1 --checkpoint good/checkpoint.safetensors --json /dev/stdout \
    >out 2>err || complain "/dev/stdout"
sed -n '/^{/,$ p' out >scores.json
is_json scores.json
grep -q mean_iou out || complain "the text before is gone"
"$glowbench" eval horses --samples 1 --checkpoint good/checkpoint.safetensors --json /dev/stderr \
    2>&1 >out | cat >scores.json
is_json scores.json
mkfifo pipe
cat pipe >scores.json &
evaluate --json pipe
wait
is_json scores.json
[ -p pipe ] || complain "the pipe is gone"
evaluate --json /dev/null
[ -c /dev/null ] || complain "/dev/null is gone"
gives 2 'cannot write: /dev/full: No space left' \
    eval horses --samples 1 --checkpoint good/checkpoint.safetensors --json /dev/full

# ---- Closed streams

for closed in '0' '1' '2' '0 1' '1 2' '0 1 2'; do
    code=0
    (
        for stream in $closed; do
            case $stream in
            0) exec <&- ;;
            1) exec >&- ;;
            2) exec 2>&- ;;
            esac
        done
        exec "$glowbench" eval horses --samples 1 --checkpoint good/checkpoint.safetensors \
            --json scores.json
    ) >out 2>err || code=$?
    [ $code -eq 0 ] || complain "exit code $code with streams $closed closed"
    is_json scores.json
    ! grep -q '^binary segmentation' scores.json || complain "printed into scores.json"
done

# ---- Two runs in one place

# begin OUT ARGUMENT...: a long run in the background, which has begun to log; $process.
begin() {
    begun=$1
    shift
    # shellcheck disable=SC2086 # options without blanks
    env --default-signal "$glowbench" train horses --out "$begun" $tiny --iters 1000000 "$@" \
        >"$begun.out" 2>"$begun.err" &
    process=$!
    while kill -0 $process 2>/dev/null && [ ! -s "$begun/log.jsonl" ]; do
        sleep 0.02
    done
}

begin busy --checkpoint-every 50
busy="busy: in use by process $process on $host"
# shellcheck disable=SC2086 # options without blanks
gives 2 "cannot start a run: $busy" train horses --out busy $tiny
while [ ! -s busy/checkpoint.safetensors ]; do
    sleep 0.02
done
gives 2 "$busy" train horses --out busy --resume
gives 2 "$busy" train horses --out ../"$(basename "$PWD")"/busy --resume
kill -KILL $process
wait $process 2>/dev/null || true
[ -e busy/.lock ] || complain "the test expects a killed run's lock file"
gives 0 'resuming at step' train horses --out busy --resume --samples 1 --time-limit 0.0001
[ ! -e busy/.lock ] || complain "the lock file stays"

# ---- Signals

for signal in HUP XCPU USR1 USR2 TERM INT; do
    begin "by$signal"
    kill -$signal $process
    code=0
    wait $process || code=$?
    [ $code -eq 130 ] || complain "exit code $code after SIG$signal"
    [ -s "by$signal/checkpoint.safetensors" ] || complain "nothing saved after SIG$signal"
    [ "$(wc -l <"by$signal.err")" -eq 1 ] || complain "not one line after SIG$signal"
done
# What is ignored stays ignored, as nohup has it.
(
    trap '' HUP
    # shellcheck disable=SC2086 # options without blanks
    exec "$glowbench" train horses --out nohup $tiny --iters 300
) >out 2>err &
process=$!
while kill -0 $process 2>/dev/null && [ ! -s nohup/log.jsonl ]; do
    sleep 0.02
done
kill -HUP $process 2>/dev/null || true
wait $process || complain "SIGHUP ended a run that ignores it"
grep -q '"steps": 300' nohup/run.json || complain "the run is not complete"

# ---- What killed processes left, and a limit on sizes

touch good/checkpoint.safetensors.999999999-0.tmp good/run.json.999999999-3.tmp \
    good/samples.png.999999999-0.tmp good/log.jsonl.999999999-0.tmp
gives 0 'resuming at step 4' train horses --out good --resume --samples 1
[ -z "$(find good -name '*.tmp')" ] || complain "temporary files stay: $(ls good)"
code=0
(
    ulimit -f 16
    # shellcheck disable=SC2086 # options without blanks
    exec "$glowbench" train horses --out limited $tiny --iters 4
) >out 2>err || code=$?
[ $code -eq 2 ] || complain "exit code $code with a limit on sizes"
[ "$(cat err)" = 'glowbench: cannot write: limited/checkpoint.safetensors: File too large' ] ||
    complain "not the limit on sizes"
[ -z "$(find limited -name '*.tmp')" ] || complain "temporary files stay: $(ls limited)"

# ---- Data that are repaired

faces=faces/img_align_celeba
mkdir -p $faces
for face in 1 2 3 4 5 6 7 8; do
    base64 -d >$faces/00000$face.jpg <<'JPEG'
/9j/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hnPk1xeXBkeFxl
Z2P/wAALCAAQABABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAABwb/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oACAEBAAA/
AJMtCUtP/9k=
JPEG
    echo "00000$face.jpg $((face > 6 ? 2 : 0))" >>faces/list_eval_partition.txt
done
# A training image is damaged while the run goes on: what was trained is saved.
for accumulate in "" "--accumulate 2"; do
    rm -rf painted
    # shellcheck disable=SC2086 # options without blanks
    "$glowbench" train inpaint --data faces --split-dir faces --out painted $tiny $accumulate \
        --iters 1000000 >out 2>err &
    process=$!
    while kill -0 $process 2>/dev/null && [ ! -s painted/log.jsonl ]; do
        sleep 0.02
    done
    face=3
    cp $faces/00000$face.jpg intact
    : >$faces/00000$face.jpg
    code=0
    wait $process || code=$?
    [ $code -eq 2 ] || complain "exit code $code with a damaged image"
    grep -q "^glowbench: stopped: painted: saved after step [0-9]* of 1000000: .*00000$face.jpg: .*rerun with \
--resume --accept-changed-data$" err || complain "what was trained is not saved"
    steps=$(sed -n 's/.*saved after step \([0-9]*\) of.*/\1/p' err)
    cp intact $faces/00000$face.jpg
    printf 'x' >>$faces/00000$face.jpg # repaired, with other bytes
    gives 2 'cannot resume with other training data: .* add --accept-changed-data$' \
        train inpaint --data faces --split-dir faces --out painted --resume
    gives 0 "resuming at step $steps$" train inpaint --data faces --split-dir faces --out painted \
        --resume --accept-changed-data --samples 1 --iters $((steps + 1))
    tr -d ' \n' <painted/run.json | grep -q "\"data_changes\":\[$steps\]" || complain "the change is not recorded"
done

# ---- Records without checkpoints

mkdir bare
cp good/run.json bare
# shellcheck disable=SC2086 # options without blanks
gives 2 'bare/run.json: .* whose checkpoint is missing: move it away, or use another --out$' \
    train horses --out bare $tiny
gives 2 'nothing to resume: .*only the run.s record is left: start over in another --out$' \
    train horses --out bare --resume
gives 2 'nothing to resume: .*start without --resume$' train horses --out nowhere --resume

finish
