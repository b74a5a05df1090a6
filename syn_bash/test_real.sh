#!/usr/bin/env bash
# Restores the real test set. Edit dataroot, or set DATAROOT. `--metrics clipiqa,maniqa` scores the pictures (pip install pyiqa).
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
dataroot=${DATAROOT:-datasets/BracketIRE_real}   # the folder that holds Train/ and Test/

python test.py --name real --model real --dataset_name real --dataroot "$dataroot" --net tmrnet \
    --load_iter 10 --save_imgs True --chop True --phase file --isp published --gpu_ids all -j 4 "$@"
