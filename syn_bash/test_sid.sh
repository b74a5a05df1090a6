#!/usr/bin/env bash
# Restores and scores the test pairs of SID (of the published set: the benchmark's 45), after 1 to 4 evaluations of the
# network. Set DATAROOT, NAME (of the run) as for training; --oracle True is the published protocol.
#     bash syn_bash/test_sid.sh --oracle True
#     NAME=published bash syn_bash/test_sid.sh --load_path SID_PGru.pt --net unet
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
dataroot=${DATAROOT:-datasets/demo_sid} name=${NAME:-${DATAROOT:+sid_unet_PGru}}

python test.py --name "${name:-demo_sid_unet_PGru}" --model exposure_diffusion --dataset_name sid --dataroot "$dataroot" \
    --iter_num 0,1,3,2 --baselines True --gpu_ids all -j 2 "$@"
