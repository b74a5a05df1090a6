#!/usr/bin/env bash
# Trains the small TMRNet whose weights are in ckpt/small, on brackets that are simulated on the fly; no GPU, no data but
# the demo's to validate on. Longer is better: --niter, and on a GPU --gpu_ids all --batch_size 8 --patch_size 128.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
dataroot=${DATAROOT:-datasets/demo}   # a folder that holds Test/ to validate on; made if it is not there

if [[ ! -e $dataroot ]]; then
    python -m data.simulate --out "$dataroot"
fi
python train.py --name small_again --model syn --dataset_name sim --dataroot "$dataroot" --net tmrnet --size small \
    --lr_policy cosine_warmup --lr 1e-3 --ema_decay 0.998 --grad_clip 1 --epoch_iters 250 --niter 48 \
    --batch_size 4 --patch_size 32 --precision bf16 --print_freq 100 --val_freq 4 --save_epoch_freq 12 \
    --gpu_ids -1 -j 1 "$@"
