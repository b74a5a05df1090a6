#!/usr/bin/env bash
# Restores and scores SyntheticBurst: the network with all frames and with 1, 2, 4 and 8, one frame enlarged, the classical
# merge. Set DATAROOT (else the demo's set), NET and NAME (of the run) as for training.
#     DATAROOT=/data/SyntheticBurstVal bash syn_bash/test_deeprep_sr.sh
#     DATAROOT=/data/SyntheticBurstVal NAME=published bash syn_bash/test_deeprep_sr.sh --load_path deeprep_sr_synthetic_default.pth
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
net=${NET:-deeprep_sr} dataroot=${DATAROOT:-datasets/demo_synburst}
name=${NAME:-${DATAROOT:+${net}_synthetic}}

python test.py --name "${name:-demo_$net}" --model deeprep --dataset_name synburst --dataroot "$dataroot" --net "$net" --frame_num 14 \
    --burst_sizes 1,2,4,8 --baselines True --gpu_ids all -j 2 "$@"
