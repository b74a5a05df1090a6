#!/usr/bin/env bash
# Restores and scores the ELD data set (x100 and x200, whole frames). Set DATAROOT to the folder that holds the cameras'
# folders, NAME to the run; --oracle True is the published protocol.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
dataroot=${DATAROOT:-datasets/ELD}

python test.py --name "${NAME:-sid_unet_PGru}" --model exposure_diffusion --dataset_name eld --dataroot "$dataroot" \
    --gpu_ids all -j 2 "$@"
