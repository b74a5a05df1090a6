#!/usr/bin/env bash
# Trains small versions of all networks for a while on the demo's raw brackets, tests them, and shows them in one table.
# A demonstration: so short a training says little about which network is best. Called again it goes on where it was
# stopped. Options go to the trainings (not --name or --net: set NETS).
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
dataroot=${DATAROOT:-datasets/demo}
runs=()
[[ -e $dataroot ]] || python -m data.simulate --out "$dataroot"
for net in ${NETS:-tmrnet ahdrnet fshdr hdr_transformer sctnet unet nafnet}; do
    resume=()
    [[ ! -e ckpt/compare_$net/train_state.pth ]] || resume=(--resume True)
    python train.py --name "compare_$net" --model syn --dataset_name syn --dataroot "$dataroot" --net "$net" --size small \
        --lr_policy cosine --lr 5e-4 --batch_size 4 --patch_size 48 --epoch_iters 300 --niter 1 --val_freq 0 -j 2 "$@" \
        ${resume[@]+"${resume[@]}"}
    python test.py --name "compare_$net" --model syn --dataset_name syn --dataroot "$dataroot" --net "$net" -j 1
    runs+=("ckpt/compare_$net")
done
python -m util.compare "${runs[@]}" --out ckpt/comparison
