#!/usr/bin/env bash
# BracketIRE as published: 400 epochs of 500 steps on all GPUs. Edit dataroot, or set DATAROOT. The published
# run starts from a pretrained SPyNet: set SPYNET to its file, or flow is learnt from scratch.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
dataroot=${DATAROOT:-datasets/BracketIRE}   # the folder that holds Train/ and Test/

python train.py --name syn --model syn --dataset_name syn --dataroot "$dataroot" --net tmrnet ${SPYNET:+--spynet_path "$SPYNET"} \
    --lr_policy cosine_warmup --lr 1e-4 --weight_decay 0.01 --niter 400 --batch_size 8 --patch_size 128 \
    --print_freq 500 --save_epoch_freq 10 --calc_metrics True --gpu_ids all -j 8 "$@"
