#!/usr/bin/env bash
# Scores what train_sve.sh has trained, beside two classical merges, apart for px that the mask trusts and those that it does not.
# DATAROOT, HDR, RATIO_EV, MASK and NAME are as for training.
#     DATAROOT=/data/sve bash syn_bash/test_sve.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
ev=${RATIO_EV:-3} mask=${MASK:-binary}
if [[ -n ${DATAROOT:-} ]]; then
    kind=(--dataset_name sve --dataroot "$DATAROOT") name=${NAME:-sve_${ev}ev_$mask}
elif [[ -n ${HDR:-} ]]; then
    kind=(--dataset_name sve_sim --dataroot "$HDR") name=${NAME:-sve_sim_${ev}ev_$mask}
else
    kind=(--dataset_name sve_sim --sim_scenes built_in --dataroot datasets) name=${NAME:-demo_sve_${ev}ev_$mask}
fi
python test.py --name "$name" --model sve "${kind[@]}" --delta_ev "$ev" --guidance_mask "$mask" --baselines True \
    --gpu_ids all -j 2 "$@"
