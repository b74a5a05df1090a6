#!/usr/bin/env bash
# Adapts the weights of train_syn.sh to real brackets without ground truth, as published: 10 epochs of 500 steps on all
# GPUs. Edit dataroot, or set DATAROOT. cache_dir holds a copy of the training part that is read by the patch.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
dataroot=${DATAROOT:-datasets/BracketIRE_real}   # the folder that holds Train/ and Test/
cache_dir=${CACHE_DIR:-datasets/cache}

python train.py --name real --model real --dataset_name real --dataroot "$dataroot" --cache_dir "$cache_dir" --net tmrnet \
    --load_path ckpt/syn/TMRNet_model_400.pth --self_weight 1 --phase file \
    --lr_policy cosine --lr 7.5e-5 --weight_decay 0.01 --niter 10 --batch_size 8 --patch_size 128 \
    --print_freq 100 --save_epoch_freq 1 --gpu_ids all -j 8 "$@"
