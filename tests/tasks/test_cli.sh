#!/bin/sh
# SPDX-License-Identifier: MIT
# The command line of the built program: exit codes, one line of error, help.
#
#     sh tests/tasks/test_cli.sh GLOWBENCH
set -eu

. "$(dirname "$0")/../support/script.sh"
folder=$directory
unset GB_CONV_ALGORITHM

# fails CODE MESSAGE ARGUMENT...: exit code CODE, exactly one line on stderr, which is MESSAGE, and
# nothing on stdout.
fails() {
    expected=$1
    message=$2
    shift 2
    run "$@"
    [ "$code" -eq "$expected" ] || complain "exit code $code, not $expected: $*"
    [ "$(cat "$folder/err")" = "glowbench: $message" ] || complain "not '$message': $*"
    # Which value of masks is foreground is said as soon as the masks are read.
    ! grep -vq "^figure_ground: the masks' values are " "$folder/out" || complain "output: $*"
}

# works PATTERN ARGUMENT...: exit code 0, PATTERN (grep's) in the output, nothing on stderr.
works() {
    gives 0 "$@"
}

works '^usage: glowbench COMMAND' --help
works '^glowbench [0-9]' --version
"$glowbench" --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' >"$folder/commands"
while read -r command; do
    works "^usage: glowbench $command" "$command" --help
    awk 'length > 80 { exit 1 }' "$folder/out" || complain "$command --help is wider than 80 columns"
    cp "$folder/out" "$folder/help"
    for form in "$command -h" "help $command"; do
        # shellcheck disable=SC2086 # two words
        works "^usage: glowbench $command" $form
        cmp -s "$folder/help" "$folder/out" || complain "$form is not $command --help"
    done
    fails 2 "unknown option: --nothing: see glowbench $command --help" "$command" --nothing
done <"$folder/commands"

for form in -h help; do
    works '^usage: glowbench COMMAND' $form
    awk 'length > 80 { exit 1 }' "$folder/out" || complain "$form is wider than 80 columns"
done
works '^flags  ' --version
fails 2 'unknown command: nothing: see glowbench --help' help nothing
fails 2 'unexpected argument: more: see glowbench --help' help bench more

# The man page and the completion name every option of every command.
"$glowbench" help --man >"$folder/man"
"$glowbench" help --bash-completion >"$folder/completion"
while read -r command; do
    grep -q "^\.SS glowbench $command" "$folder/man" || complain "no $command in the man page"
    "$glowbench" "$command" --help | sed -n 's/^  --\([a-z-]*\).*/\1/p' | while read -r option; do
        grep -qF -e "--$option" "$folder/completion" && sed 's/\\-/-/g' "$folder/man" | grep -q -e "^\.B --$option" ||
            echo "$command --$option"
    done >"$folder/missing"
    [ ! -s "$folder/missing" ] || complain "not in the documents: $(cat "$folder/missing")"
done <"$folder/commands"
# shellcheck disable=SC3037,SC3044 # it is bash that reads the file
bash -c '. "$1"; COMP_WORDS=(glowbench bench --precision b); COMP_CWORD=3; _glowbench; echo "${COMPREPLY[@]}"' \
    bash "$folder/completion" >"$folder/out"
[ "$(cat "$folder/out")" = bf16 ] || complain "completes --precision b by: $(cat "$folder/out")"

fails 2 'missing command: COMMAND: see glowbench --help'
fails 2 'unknown command: nothing: see glowbench --help' nothing
fails 2 'unknown command: --nothing: see glowbench --help' --nothing
fails 2 'unknown command: two?lines: see glowbench --help' 'two
lines'

works '^backends' list
works 'conv_forward' list
fails 2 'unexpected argument: x: see glowbench list --help' list x

works '^backends .*the default' info
fails 2 'missing argument: --json: see glowbench info --help' info --json
fails 2 'unexpected argument: x: see glowbench info --help' info x
export GB_CONV_ALGORITHM=winograd
fails 2 'cannot run: train: GB_CONV_ALGORITHM is set, which changes results; it is for bench, ab and info --plan' \
    train horses --iters 1
unset GB_CONV_ALGORITHM
export GB_BACKEND=scalar
works '^ .*scalar .*the default' info
export GB_BACKEND=nothing
run info
if [ "$code" -ne 2 ] || ! grep -q '^glowbench: unknown backend in GB_BACKEND: nothing: ' "$folder/err"; then
    complain "an unknown GB_BACKEND"
fi
unset GB_BACKEND GB_CONV_ALGORITHM
works '^build' info --json "$folder/info.json"
for name in model instruction_sets caches memory_bytes flags commit backends; do
    grep -q "\"$name\":" "$folder/info.json" || complain "no $name in info --json"
done
run info --json "$folder/nothing/info.json"
[ "$code" -eq 2 ] || complain "exit code $code: a file in a folder that is not there"
[ "$(wc -l <"$folder/err")" -eq 1 ] || complain "not one line of error"

run info --run "$folder"
[ "$code" -eq 2 ] || complain "exit code $code: a run that is not there"
# A run's record, damaged. All but the last have this machine.
damaged() {
    { printf '{"task": "horses", "flops_per_step": 1e9, "parameters": 1000000, %s, "machine": ' "$1"
        cat "$2"
        printf '}'; } >"$folder/run.json"
}
damaged '"threads": 1' "$folder/info.json"
fails 2 "cannot read run: $folder: 'step_seconds_median' is missing or not positive" info --run "$folder"
most=$(sed -n 's/^ *"threads": \([0-9]*\).*/\1/p' "$folder/info.json")
for threads in 0 0.5 1.0 -1 1000000000 3000000000; do
    damaged "\"step_seconds_median\": 1, \"threads\": $threads" "$folder/info.json"
    fails 2 "cannot read run: $folder: 'threads' is not in 1 .. $most" info --run "$folder"
done
sed 's/"model": ".*",$/"model": "another",/' "$folder/info.json" >"$folder/other.json"
damaged '"step_seconds_median": 1, "threads": 1' "$folder/other.json"
fails 3 "not comparable: $folder: the run was trained on another CPU: another" info --run "$folder"

# ---- A run, and what is made of it: good/

tiny='--size 16 --levels 2 --steps 1 --n-c 8 --n-w 16 --coupling-channels 16 --samples 2'
good=$folder/good
model=$good/checkpoint.safetensors

# names FILE NAME...: the JSON file has these names.
names() {
    file=$1
    shift
    for name in "$@"; do
        grep -q "\"$name\":" "$file" || complain "no $name in $file"
    done
}

# shellcheck disable=SC2086 # options without blanks
works 'horses 8/8  bits/dim [0-9.]*  [0-9.]* images/s  0 s left' \
    train horses $tiny --iters 8 --threads 1 --out "$good"
grep -q "$(printf '\r')" "$folder/out" && complain "a bar, although nobody looks"
metrics='bits_per_dimension bits_per_dimension_published foreground_iou mean_iou iou_batch10
    pixel_accuracy trivial_foreground_iou trivial_mean_iou trivial_iou_batch10
    trivial_pixel_accuracy seconds_per_prediction images_per_second'
# shellcheck disable=SC2086 # names without blanks
names "$good/run.json" task model config machine metrics $metrics commit seed threads backend \
    step_seconds_median flops_per_step parameters peak_memory_bytes
names "$good/log.jsonl" step bits_per_dimension step_seconds images_per_second
[ "$(ls "$good")" = 'checkpoint.safetensors
log.jsonl
run.json
samples.png' ] || complain "other files than a run's: $(ls "$good")"

# shellcheck disable=SC2086 # options without blanks
works 'ms/step' train horses $tiny --iters 3 --accumulate 2 --clip-norm 50 --out "$folder/summed"
names "$folder/summed/log.jsonl" gradient_norm
grep -q '"accumulate": 2' "$folder/summed/run.json" || complain "accumulation is not recorded"
grep -q '"clip_norm": 50' "$folder/summed/run.json" || complain "clipping is not recorded"

# shellcheck disable=SC2086 # options without blanks
works 'ms/step' train horses $tiny --iters 3 --schedule cosine --warm-up 2 --out "$folder/scheduled"
for setting in '"schedule": "cosine"' '"schedule_steps": 3' '"warm_up": 2'; do
    grep -q "$setting" "$folder/scheduled/run.json" || complain "not recorded: $setting"
done
fails 2 "invalid schedule: cosine: its rate is 0 from step 3 on, before --iters 4" \
    train horses --resume --iters 4 --out "$folder/scheduled"

# A profile changes nothing but the record. Its rows add up to the step.
# shellcheck disable=SC2086 # options without blanks
works '^coupling_backward/n2h8w8c12k16  .* %.* % ' \
    train horses $tiny --iters 8 --threads 1 --profile --out "$folder/profiled"
grep -q '^other  ' "$folder/out" || complain "a profile without the rest"
for run in "$good" "$folder/profiled"; do
    sed 's/, "step_seconds.*//' "$run/log.jsonl" >"$run/log.txt"
done
cmp "$good/log.txt" "$folder/profiled/log.txt" || complain "a profile changed the log"
cmp "$model" "$folder/profiled/checkpoint.safetensors" || complain "a profile changed the model"
rm "$good/log.txt"
names "$folder/profiled/run.json" profile step_seconds peaks layers kernels share wall share_of_peak
grep -q '"profile"' "$good/run.json" && complain "a profile that nobody wanted"

works ' of ideal$' info --run "$good" --json "$folder/info.json"
for name in fma_fp32_gflops triad_gbs update_gbs; do
    grep -q "\"$name\": [0-9.]*[1-9]" "$folder/info.json" || complain "no peaks.$name"
done

is_png() {
    [ "$(head -c 8 "$1" | od -An -tx1)" = ' 89 50 4e 47 0d 0a 1a 0a' ] || complain "no PNG: $1"
}

is_png "$good/samples.png"
works '^  mean_iou  *[0-9.]*$' eval horses --checkpoint "$model" --samples 2 \
    --json "$folder/eval.json" --png "$folder/eval.png"
# shellcheck disable=SC2086 # names without blanks
names "$folder/eval.json" task model config machine metrics per_image name $metrics
is_png "$folder/eval.png"
run sample horses --checkpoint "$model" --samples 2 --png "$folder/sample.png"
[ "$code" -eq 0 ] || complain "exit code $code: sample"
is_png "$folder/sample.png"

# The same scores again by the trained model and by its checkpoint.
scores() {
    sed -n '/"metrics"/,/}/p' "$1" | grep -v -e seconds -e per_second
}
[ "$(scores "$folder/eval.json")" = "$(scores "$good/run.json")" ] || complain "other scores by eval"

# A model with one answer draws no more of them than that, whatever is asked for.
works 'denoise 1/1 ' train denoise --model dncnn --size 16 --channels 4 --layers 3 --iters 1 \
    --samples 3 --out "$folder/one"
works ' psnr ' eval denoise --checkpoint "$folder/one/checkpoint.safetensors" --samples 3 \
    --json "$folder/one.json"
grep -q '"samples": 1,' "$folder/one.json" || complain "samples that nobody drew"

# A terminal needs util-linux's script, and a system that gives it one.
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
    script -qec "'$glowbench' train horses $tiny --iters 8 --out '$folder/seen'" /dev/null \
        </dev/null >"$folder/out" 2>"$folder/err"
    grep -q "$(printf '\r')horses \[#*\] 8/8" "$folder/out" || complain "no bar on a terminal"
else
    echo "skipped: the progress bar: no terminal to be had here"
fi

# A factored baseline follows the flow that options describe, to within 2 % of its parameters.
# follows TASK FLOW'S_OPTIONS OPTIONS: leaves the runs flow/ and baseline/.
parameters_of() {
    sed -n 's/^ *"parameters": \([0-9]*\).*/\1/p' "$1/run.json"
}
follows() {
    rm -rf "$folder/flow" "$folder/baseline"
    # shellcheck disable=SC2086 # options without blanks
    works "$1 1/1 " train "$1" --model cnf $2 --out "$folder/flow"
    # shellcheck disable=SC2086 # options without blanks
    works "$1 1/1 " train "$1" --model factored $3 --out "$folder/baseline"
    few=$(parameters_of "$folder/flow")
    many=$(parameters_of "$folder/baseline")
    grep -q "^factored: growth [0-9]*, [0-9]* channels: $many parameters, .* has $few\$" \
        "$folder/out" || complain "$1: other numbers of parameters than $many and $few"
    if [ $((50 * many)) -lt $((49 * few)) ] || [ $((50 * many)) -gt $((51 * few)) ]; then
        complain "$1: $many parameters for $few"
    fi
}
brief='--size 16 --iters 1 --batch 1 --samples 1'
sr="$brief --crops 1 --rrdb-blocks 1 --condition-channels 8 --coupling-channels 16 --levels 1 --steps 2"
follows sr "$sr --growth 40" "$sr --flow-growth 40"

# A picture of every test image, with a baseline's prediction; --beside is --baseline's older name.
set -- sample sr --checkpoint "$folder/flow/checkpoint.safetensors"
run "$@" --images 2 --png-dir "$folder/portraits/all" --beside "$folder/baseline/checkpoint.safetensors"
[ "$code" -eq 0 ] || complain "exit code $code: sample --png-dir"
[ "$(find "$folder/portraits" -type f | wc -l)" -eq 2 ] || complain "other files than two pictures"
for portrait in "$folder/portraits/all"/*/*.png; do
    is_png "$portrait"
done
fails 2 "cannot use checkpoint: $model: it is a model of horses, not of sr" "$@" --baseline "$model" \
    --png-dir "$folder/new"
fails 2 'missing option: --png-dir: required by --baseline' "$@" --beside "$model" --png "$folder/new"
fails 2 'unknown option: --png-dir: does not apply to horses' sample horses --checkpoint "$model" \
    --png-dir "$folder/new"
# No temperature but its own, which is said before the data are looked for.
for command in eval sample; do
    option=
    [ $command = eval ] || option="--png $folder/new"
    # shellcheck disable=SC2086 # options without blanks
    fails 2 'unknown option: --temperature: sr always samples at temperatures 0, 0.5, 0.8 and 1' $command sr \
        --checkpoint "$folder/flow/checkpoint.safetensors" --temperature 0.5 --data "$folder/none" \
        $option
done

vessels="$brief --levels 3 --steps 1 --condition-channels 8 --coupling-channels 8"
follows vessels "$vessels" "$vessels"
# shellcheck disable=SC2086 # options without blanks
set -- train vessels --model factored $vessels --resume --out "$folder/baseline"
works 'resuming at step 1' "$@"
fails 2 "cannot change on resume: --channels: $folder/baseline/checkpoint.safetensors has \
$(sed -n 's/^ *"channels": \([0-9]*\).*/\1/p' "$folder/baseline/run.json")" "$@" --steps 2

# ---- What train, eval and sample refuse, leaving nothing behind

# refuses MESSAGE ARGUMENT...: as fails 2, and nothing is written to new.
refuses() {
    fails 2 "$@"
    [ ! -e "$folder/new" ] || complain "leaves something: $*"
}

# refuses_like PATTERN ARGUMENT...: the same, where the message matches PATTERN (grep's).
refuses_like() {
    pattern=$1
    shift
    gives 2 "^glowbench: $pattern" "$@"
    [ ! -e "$folder/new" ] || complain "leaves something: $*"
}

refuses 'unknown option: --masks: does not apply to sr' train sr --masks "$folder" --out "$folder/new"
refuses 'missing option: --data: required by --masks: the directory of their images' \
    train horses --masks "$folder" --out "$folder/new"
refuses 'missing option: --data: generated images are square, not 32 x 40' train horses --width 40 --out "$folder/new"
refuses 'unknown option: --width: does not apply to lfw' train lfw --width 40 --out "$folder/new"

for command in train eval sample; do
    option="--out $folder/new"
    [ $command = train ] || option="--checkpoint $model --png $folder/new"
    # shellcheck disable=SC2086 # options without blanks
    set -- $command horses $option
    refuses "missing operand: TASK: see glowbench $command --help" $command
    # shellcheck disable=SC2086 # options without blanks
    refuses 'unknown task: horse: the tasks are horses, lfw, denoise, depth, inpaint, sr, vessels' $command horse $option
    refuses "unexpected argument: x: see glowbench $command --help" "$@" x
    refuses 'bad value: --samples: "0" is not in 1 .. 1000' "$@" --samples 0
    refuses 'bad value: --samples: "many" is not an integer' "$@" --samples many
    refuses 'bad value: --threads: "9999999999" is not in 1 .. 256' "$@" --threads 9999999999
    refuses 'missing option: --data: required by --split-dir' "$@" --split-dir "$folder"
    refuses 'unknown option: --test-frames: the data of horses have no scenes' "$@" --test-frames 9
    refuses "cannot read directory: $folder/none/figure_ground: No such file or directory" "$@" \
        --data "$folder/none"
    refuses_like 'unknown backend: nothing: backends: ' "$@" --backend nothing
    export GB_BACKEND=nothing
    refuses_like 'unknown backend in GB_BACKEND: nothing: backends: ' "$@"
    unset GB_BACKEND
done

# Data: four pairs of 16 x 16 pixels, then one thing wrong at a time.
data=$folder/data
mkdir -p "$data/rgb" "$data/figure_ground" "$folder/lists"
for name in a b c d; do
    base64 -d >"$data/rgb/$name.jpg" <<'JPEG'
/9j/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hnPk1xeXBkeFxl
Z2P/wAALCAAQABABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAABwb/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oACAEBAAA/
AJMtCUtP/9k=
JPEG
    cp "$data/rgb/$name.jpg" "$data/figure_ground"
done
set -- eval horses --checkpoint "$model" --samples 1 --data "$data"
works '^binary segmentation of horses, 1 images' "$@"
grep -q "^$model was trained on generated data, but is used on $data\$" "$folder/out" ||
    complain "no line about other data"
fails 2 "cannot resume with other training data: $model: it was trained on other examples, of \
synthetic; if files were repaired, add --accept-changed-data" train horses --resume --out "$good" --data "$data"
list() {
    printf '%s.jpg\n' "$@"
}
list a >"$folder/lists/horses_train.txt"
list b c d >"$folder/lists/horses_test.txt"
works '^binary segmentation of horses, 3 images' "$@" --split-dir "$folder/lists"

set -- train horses --out "$folder/new" --data "$data"
# shellcheck disable=SC2086 # options without blanks
works 'horses 1/1 ' train horses $tiny --iters 1 --out "$folder/real" --data "$data"
works '/real/checkpoint.safetensors was trained on published data, but is used on generated data: give --data$' \
    eval horses --checkpoint "$folder/real/checkpoint.safetensors" --samples 1
# Images and masks of any two directories, not square.
set -- --data "$data/rgb" --masks "$data/figure_ground"
# shellcheck disable=SC2086 # options without blanks
works ', 16x24, ' train horses $tiny --width 24 --iters 1 --out "$folder/wide" "$@"
works '^binary segmentation of horses, 1 images' eval horses --checkpoint "$folder/wide/checkpoint.safetensors" "$@"
works '^step/train/own-cglow-horses-16x24b2$' bench --checkpoint "$folder/wide/checkpoint.safetensors" --kind steps --list
set -- train horses --out "$folder/new" --data "$data"
list e >"$folder/lists/horses_test.txt"
refuses_like '.*horses_test.txt.*e.jpg' "$@" --split-dir "$folder/lists"
: >"$folder/lists/horses_test.txt"
refuses_like '.*horses_test.txt' "$@" --split-dir "$folder/lists"
rm "$folder/lists/horses_test.txt"
refuses_like '.*horses_test.txt.*No such file' "$@" --split-dir "$folder/lists"

head -c 130 "$data/rgb/a.jpg" >"$data/rgb/b.jpg"
refuses_like "cannot read image: $data/rgb/b.jpg: truncated or damaged JPEG: " "$@"
echo 'no picture' >"$data/rgb/b.jpg"
refuses "cannot read image: $data/rgb/b.jpg: not an image of a known format (PNG, JPEG, PGM, PPM, TIFF, GIF)" "$@"
: >"$data/rgb/b.jpg"
refuses "cannot read image: $data/rgb/b.jpg: the file is empty" "$@"
cp "$data/rgb/a.jpg" "$data/rgb/b.jpg"
rm "$data/figure_ground/b.jpg"
refuses_like '.*b.jpg' "$@"
rm "$data"/*/*
refuses_like "cannot read directory: $data/figure_ground: holds no .png .jpg" "$@"

# Models and folders.
set -- train horses --out "$folder/new"
refuses 'unusable model configuration: target size: 36x36 is not divisible by 2^levels = 8 on both axes' \
    "$@" --size 36
refuses 'bad value: --size: "4" is not in 8 .. 1024' "$@" --size 4
refuses 'bad value: --lr: "nan" is not a number' "$@" --lr nan
refuses 'bad value: --lr: "-1" is not in 0 .. 1' "$@" --lr -1
refuses 'bad value: --seed: "x" is not an integer' "$@" --seed x
refuses 'unknown option: --schedule-steps: the schedule is constant' "$@" --schedule-steps 9
refuses 'missing option: --schedule-steps: required by --schedule halving: the model has no steps of its own' \
    "$@" --schedule halving --data "$folder/none"
refuses 'invalid schedule: cosine: --warm-up 9 is not below the 9 steps of the schedule' \
    "$@" --schedule cosine --iters 9 --warm-up 9
refuses 'unknown model: glow: the models of horses are cglow, fcn' "$@" --model glow
refuses 'unknown option: --growth: does not apply to c-Glow' "$@" --growth 8
refuses 'unknown option: --flow-growth: does not apply to c-Glow' "$@" --flow-growth 8
refuses 'unknown option: --n-c: does not apply to factored' train sr --model factored --n-c 8 \
    --out "$folder/new"
# An option's range is that of all models, until the model is known.
refuses_like 'bad value: --levels: "9" is not in 1 .. 8, the range of .*$' \
    train inpaint --model ffn --levels 9 --data "$folder/none" --out "$folder/new"
works 'halvings of the image' train --help
refuses 'missing argument: --iters: see glowbench train --help' "$@" --iters
refuses "nothing to resume: $folder/new/checkpoint.safetensors: No such file or directory; start \
without --resume" "$@" --resume
refuses "cannot start a run: $model: it belongs to an earlier run: continue it with --resume, or \
use another --out" train horses --out "$good"
set -- train horses --size 16 --levels 2
refuses "cannot create the output directory: $model: not a directory" "$@" --out "$model"
refuses "cannot create the output directory: $model/new: Not a directory" "$@" --out "$model/new/run"

set -- train horses --resume --out "$good"
refuses "cannot change on resume: --size: $model has 16" "$@" --size 32
refuses "cannot change on resume: --batch: $model has 2" "$@" --batch 3
refuses "cannot change on resume: --lr: $model has 0.0002" "$@" --lr 0.001
refuses "cannot change on resume: --accumulate: $model has 1" "$@" --accumulate 2
refuses "cannot change on resume: --clip-norm: $model has 0" "$@" --clip-norm 50
refuses "cannot change on resume: --schedule: $model has constant" "$@" --schedule cosine
refuses "cannot change on resume: --warm-up: $model has 0" "$@" --warm-up 5
refuses "cannot change on resume: --seed: $model has 0" "$@" --seed 1
refuses "cannot change on resume: --memory: $model has stored" "$@" --memory reversible
refuses "cannot change on resume: --precision: $model has fp32" "$@" --precision bf16
refuses "cannot change on resume: --moments: $model has fp32" "$@" --moments bf16
refuses "cannot change on resume: --init: $model has live" "$@" --init published
refuses_like 'unknown backend: nothing: backends: ' "$@" --backend nothing
refuses "nothing to resume: $model: already at step 8, past --iters 7" "$@" --iters 7

# Reversible memory is recorded, resumed, and refused where there is nothing to recompute.
recomputed=$folder/recomputed
# shellcheck disable=SC2086 # options without blanks
works 'horses 1/1 ' train horses $tiny --iters 1 --memory reversible --out "$recomputed"
works 'horses 2/2 ' train horses --resume --iters 2 --samples 1 --out "$recomputed"
grep -q '"memory": "reversible"' "$recomputed/run.json" || complain "no memory in run.json"
refuses 'cannot recompute activations: DnCNN: reversible memory is for c-Glow, CNF and the factored models' \
    train denoise --model dncnn --memory reversible --out "$folder/new"

# bf16 is recorded, resumed, and used at either precision.
narrow=$folder/narrow
# shellcheck disable=SC2086 # options without blanks
works ' in bf16, ' train horses $tiny --iters 1 --precision bf16 --moments bf16 --out "$narrow"
works ' in bf16, ' train horses --resume --iters 2 --samples 1 --out "$narrow"
grep -q '"precision": "bf16"' "$narrow/run.json" || complain "no precision in run.json"
grep -q '"moments": "bf16"' "$narrow/run.json" || complain "no moments in run.json"
grep -q '"precision": "bf16"' "$narrow/log.jsonl" || complain "no precision in log.jsonl"
for precision in fp32 bf16; do
    works bits_per_dimension eval horses --checkpoint "$narrow/checkpoint.safetensors" --samples 1 \
        --precision $precision --json "$folder/eval.json"
    grep -q "\"precision\": \"$precision\"" "$folder/eval.json" || complain "no $precision"
done

# A resumed run stays on its backend, whatever the environment says.
scalar=$folder/scalar
# shellcheck disable=SC2086 # options without blanks
works 'horses 1/1 ' train horses $tiny --iters 1 --backend scalar --out "$scalar"
export GB_BACKEND=nothing
works 'horses 2/2 ' train horses --resume --iters 2 --samples 1 --out "$scalar"
unset GB_BACKEND GB_CONV_ALGORITHM
grep -q '"backend": "scalar"' "$scalar/run.json" || complain "another backend in a resumed run"
best=$(sed -n 's/^  "backend": "\(.*\)",$/\1/p' "$good/run.json")
if [ "$best" != scalar ]; then
    refuses "cannot change on resume: --backend: $model has $best" "$@" --backend scalar
fi
LC_ALL=C sed 's/"backend":"scalar"/"backend":"scalax"/' "$scalar/checkpoint.safetensors" \
    >"$folder/backend"
cp "$folder/backend" "$scalar/checkpoint.safetensors"
refuses "cannot resume: $scalar/checkpoint.safetensors: it was trained by a backend that this build \
does not have" train horses --resume --out "$scalar"

# Text that goes into JSON.
latin=$(printf '%s/caf\351' "$folder")
refuses "bad value: --data: \"$latin\" is not UTF-8" train horses --out "$folder/new" --data "$latin"
refuses "bad value: --checkpoint: \"$latin\" is not UTF-8" eval horses --checkpoint "$latin"

# A size in the metadata that is not the model's.
LC_ALL=C sed 's/"size":"16"/"size":"32"/' "$model" >"$folder/size"
LC_ALL=C sed 's/"size":"16"/"size":"07"/' "$model" >"$folder/small"
refuses "cannot read metadata: $folder/small: 'size' is '07', not an integer from 8 to 1024" \
    eval horses --checkpoint "$folder/small"
other="cannot use the model: size: it takes images of 16x16x3 and targets of 16x16, the data have \
32x32x3 and 32x32"
cp "$folder/size" "$scalar/checkpoint.safetensors"
refuses "$other" train horses --resume --out "$scalar"
refuses "$other" eval horses --checkpoint "$folder/size"
refuses "$other" sample horses --checkpoint "$folder/size" --png "$folder/new"

# Checkpoints: `sed` changes their headers without moving what follows.
head -c 5000 "$model" >"$folder/cut"
: >"$folder/empty"
LC_ALL=C sed 's/"n_c":"8"/"n_c":"9"/' "$model" >"$folder/shape"
LC_ALL=C sed 's/"task":"horses"/"task":"horsez"/' "$model" >"$folder/task"
for command in eval sample; do
    set -- $command horses --png "$folder/new" --checkpoint
    refuses "missing option: --checkpoint: the file of the model" $command horses --png "$folder/new"
    refuses "cannot read tensors: $folder/none: No such file or directory" "$@" "$folder/none"
    refuses "cannot read tensors: $folder: is not a regular file" "$@" "$folder"
    refuses "cannot read tensors: $folder/empty: is not a safetensors file: only 0 bytes" "$@" \
        "$folder/empty"
    refuses "cannot use checkpoint: $folder/task: unknown task 'horsez'" "$@" "$folder/task"
    refuses_like "cannot read tensors: $folder/cut: is truncated" "$@" "$folder/cut"
    refuses_like 'cannot read tensors: .*samples.png: is not a safetensors file' "$@" "$good/samples.png"
    refuses_like "cannot load checkpoint: $folder/shape: tensor .* has shape" "$@" "$folder/shape"
    refuses "cannot write: $folder/none/a.png: No such file or directory" $command horses \
        --checkpoint "$model" --png "$folder/none/a.png"
done
refuses "cannot write: $folder/none/a.json: No such file or directory" \
    eval horses --checkpoint "$model" --json "$folder/none/a.json"
refuses 'missing option: --png: the file of the picture, or --png-dir' sample horses --checkpoint "$model"
refuses 'bad value: --temperature: "-1" is not in 0 .. 10' \
    sample horses --checkpoint "$model" --png "$folder/new" --temperature -1
refuses 'bad value: --split: "all" is not one of test|train' \
    eval horses --checkpoint "$model" --split all
refuses 'bad value: --dequant: "no" is not one of uniform|none' \
    eval horses --checkpoint "$model" --dequant no

# Closed streams: no file that is opened becomes one of them.
for closed in '>&-' '>&- 2>&-' '<&- >&- 2>&-' '<&-'; do
    rm -f "$folder/scores"
    code=0
    eval '"$glowbench" eval horses --samples 1 --checkpoint "$model" --json "$folder/scores"' \
        ">out 2>err $closed" || code=$?
    [ $code -eq 0 ] || complain "exit code $code with $closed"
    [ "$(head -c 1 "$folder/scores")$(tail -c 2 "$folder/scores")" = '{}' ] ||
        complain "not only JSON with $closed"
done

litter=$(find "$folder" -name '*.tmp')
[ -z "$litter" ] || complain "temporary files: $litter"

finish
