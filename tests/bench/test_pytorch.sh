#!/bin/sh
# SPDX-License-Identifier: MIT
# bench/peers/pytorch.py: checkpoints of all models have the same likelihoods in PyTorch, a wrong one
# is found, and rows are appended that `report` and `score` take. Skipped without python3's torch.
#
#     sh tests/bench/test_pytorch.sh GLOWBENCH
set -eu
. "$(dirname "$0")/../support/script.sh"
peer=$tests/../../bench/peers/pytorch.py
for python in python3 /usr/bin/python3; do
    "$python" -c 'import torch' 2>/dev/null && break
    python=
done
if [ -z "$python" ]; then
    echo "skipped: no PyTorch (python3-torch)"
    exit 77
fi

# check TASK OPTION...: trains two steps and checks the likelihoods.
check() {
    task=$1
    shift
    gives 0 '' train "$task" --iters 2 --batch 2 --threads 1 --out "$task" "$@"
    gives 0 '' eval "$task" --checkpoint "$task/checkpoint.safetensors" --samples 1 --threads 1 \
        --tensors "$task.safetensors"
    "$python" "$peer" "$task/checkpoint.safetensors" --check "$task.safetensors" >out 2>err ||
        complain "$task differs in PyTorch"
    }

check horses --size 16 --levels 2 --steps 2 --coupling-channels 8 --n-c 3 --n-w 5 --lr 1e-2
check depth --size 16 --levels 1 --steps 2 --coupling-channels 8 --n-c 3 --n-w 5
check sr --size 16 --levels 2 --steps 2 --condition-channels 6 --coupling-channels 10 \
    --rrdb-blocks 1 --growth 4 --ema 0.5 --lr 1e-2

check vessels --size 16 --levels 2 --steps 2 --condition-channels 6 --coupling-channels 10 --lr 1e-2

# Weights of another model.
gives 0 '' train horses --size 16 --levels 2 --steps 2 --coupling-channels 8 --n-c 3 --n-w 5 \
    --iters 2 --batch 2 --threads 1 --seed 1 --out other
code=0
"$python" "$peer" other/checkpoint.safetensors --check horses.safetensors >out 2>err || code=$?
[ "$code" -eq 1 ] || complain "other weights pass: exit code $code"

# Made-up rows of the model's step and samples.
awk -f "$tests/rows.awk" launches=1 |
    sed 's|"fc/forward/n0",|"step/train/cglow-horses-16b2",|; /horses/s/"fc"/"step"/; /horses/s/"forward"/"train"/
         s|"fc/forward/n2",|"sample/inverse/cglow-horses-16s3",|; /16s3/s/"fc"/"sample"/; /16s3/s/"forward"/"inverse"/' >native
cp native rows
"$python" "$peer" horses/checkpoint.safetensors --check horses.safetensors --rows rows --reps 2 \
    --variants pytorch-eager >out 2>err || complain "no rows"
[ "$(wc -l <rows)" -eq $(($(wc -l <native) + 2)) ] || complain "not two rows more"
gives 0 '' report rows --html report.html
has report.html pytorch-eager 'PyTorch '
# Rows of bench --checkpoint.
sed 's|cglow-horses-16|own-cnf-vessels-16x16|g' native >rows
"$python" "$peer" vessels/checkpoint.safetensors --check vessels.safetensors --rows rows --reps 2 \
    --variants pytorch-eager >out 2>err || complain "no rows of vessels: $(cat err)"
[ "$(wc -l <rows)" -eq $(($(wc -l <native) + 2)) ] || complain "not two rows of vessels more"
finish
