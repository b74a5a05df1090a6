#!/usr/bin/env bash
# BracketIRE+ as published, from the weights of train_syn.sh. Edit dataroot, or set DATAROOT.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
dataroot=${DATAROOT:-datasets/BracketIRE}   # the folder that holds Train/ and Test/

python train.py --name synplus --model synplus --dataset_name synplus --dataroot "$dataroot" --net tmrnet \
    --load_path ckpt/syn/TMRNet_model_400.pth \
    --lr_policy cosine_warmup --lr 1e-4 --weight_decay 0.01 --niter 400 --batch_size 8 --patch_size 64 \
    --print_freq 500 --save_epoch_freq 10 --calc_metrics True --gpu_ids all -j 8 "$@"
