#!/usr/bin/env bash
# Restores and scores the BracketIRE test set. Edit dataroot, or set DATAROOT.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
dataroot=${DATAROOT:-datasets/BracketIRE}   # the folder that holds Train/ and Test/

python test.py --name syn --model syn --dataset_name syn --dataroot "$dataroot" --net tmrnet \
    --load_iter 400 --save_imgs True --calc_metrics True --gpu_ids all -j 4 "$@"
