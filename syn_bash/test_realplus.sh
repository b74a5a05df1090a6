#!/usr/bin/env bash
# Restores the central quarter of the real test set at four times the resolution. Edit dataroot, or set DATAROOT.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
dataroot=${DATAROOT:-datasets/BracketIRE_real}   # the folder that holds Train/ and Test/

python test.py --name realplus --model realplus --dataset_name real --dataroot "$dataroot" --net tmrnet \
    --load_iter 10 --save_imgs True --chop True --phase file --isp published --gpu_ids all -j 4 "$@"
