#!/usr/bin/env bash
# Restores and scores the test scenes with what train_selfhdr.sh trained, next to simpler results. Set DATAROOT, NET and
# NAME as for that.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
net=$(tr 'A-Z-' 'a-z_' <<< "${NET:-ahdrnet}")
dataroot=${DATAROOT:-datasets/demo_ldr}   # the folder that holds Test/
name=${DATAROOT:+selfhdr_$net}

python test.py --name "${NAME:-${name:-demo_selfhdr_$net}}" --model selfhdr2 --dataset_name sig17align --dataroot "$dataroot" \
    --net "$net" --load_iter latest --baselines True --save_imgs True --gpu_ids all -j 2 "$@"
