#!/usr/bin/env bash
# From nothing to restored HDR images: environment, demo data, restoring and scoring with the weights that come with the
# project. Needs no GPU.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
DATA=datasets/demo

python -m data.simulate --out $DATA --workers 2
python test.py --name quickstart --model syn --dataset_name syn --dataroot $DATA --net merge_unet \
    --load_path ckpt/brackets/MergeUNet_model_brackets.pth --gpu_ids -1 -j 1 --baselines True --save_hdr exr
