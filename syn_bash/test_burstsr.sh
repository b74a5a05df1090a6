#!/usr/bin/env bash
# Restores and scores the validation set of BurstSR, after alignment in place and colour. Set DATAROOT, NET and NAME (of the run)
# as for training; --sca_flow pwcnet --pwcnet_path FILE is the published protocol.
#     DATAROOT=/data/burstsr_dataset bash syn_bash/test_burstsr.sh --sca_flow pwcnet --pwcnet_path pwcnet-network-default.pth
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
net=${NET:-deeprep_sr}

python test.py --name "${NAME:-${net}_burstsr}" --model deeprep --dataset_name burstsr --dataroot "${DATAROOT:?the cropped set of BurstSR}" \
    --net "$net" --frame_num 14 --gpu_ids all -j 2 "$@"
