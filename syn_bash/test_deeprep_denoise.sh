#!/usr/bin/env bash
# Restores and scores the published bursts with noise of gain 1, 2, 4 and 8 (gray: of KPN; colour: of BPN). Set DATAROOT (else
# the demo's set), COLORS, ALIGNMENT and NAME (of the run) as for training.
#     DATAROOT=/data/kpn COLORS=grayscale bash syn_bash/test_deeprep_denoise.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
colors=${COLORS:-color} dataroot=${DATAROOT:-datasets/demo_burst_denoise}
name=${NAME:-${DATAROOT:+deeprep_denoise_${colors}_${ALIGNMENT:-pwcnet}}}

python test.py --name "${name:-demo_deeprep_denoise_$colors}" --model deeprep --dataset_name burst_denoise --dataroot "$dataroot" \
    --colors "$colors" --noise_level all --net deeprep_denoise --baselines True --gpu_ids all -j 2 "$@"
