#!/usr/bin/env bash
# HDR from one shot whose row pairs are exposed in turn. Set DATAROOT to a folder of bracketed raw files (the published set:
# seven CR2 a scene, 1 EV apart), which are merged first, or HDR to one of linear light (.exr, .hdr; photographs do as well), of
# which shots are simulated on the fly. Without either a small network, which starts from a classical merge, learns from
# photographs that come with scikit-image, as ckpt/sve did; NET=svenet takes a small one of the published kind instead.
# RATIO_EV are the stops between the exposures, MASK=ones is the ablation without guidance. Options go to the training;
# called again, it goes on where it was stopped.
#     DATAROOT=/data/sve bash syn_bash/train_sve.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
ev=${RATIO_EV:-3} mask=${MASK:-binary}
shared=(--delta_ev "$ev" --guidance_mask "$mask")
if [[ -n ${DATAROOT:-} ]]; then
    name=${NAME:-sve_${ev}ev_$mask}
    recipe=(--net "${NET:-svenet}" --dataset_name sve --gpu_ids all -j 8)
    python -m data.prepare --dataset_name sve --dataroot "$DATAROOT" --delta_ev "$ev" -j 8
elif [[ -n ${HDR:-} ]]; then
    DATAROOT=$HDR name=${NAME:-sve_sim_${ev}ev_$mask}
    recipe=(--net "${NET:-svenet}" --dataset_name sve_sim --gpu_ids all -j 8)
else
    DATAROOT=datasets name=${NAME:-demo_sve_${ev}ev_$mask}
    recipe=(--dataset_name sve_sim --sim_scenes built_in --sve_kind both --full_well 4000,20000 --loss_domain mu_law
        --net "${NET:-sve_residual}" --patch_size 48 --batch_size 4 --lr 1e-3 --lr_policy cosine_warmup --epoch_iters 60
        --niter 60 --ema_decay 0.995 --val_freq 5 --save_epoch_freq 60 --print_freq 60 --gpu_ids -1 -j 1)
    [[ ${NET:-} != svenet ]] || recipe+=(--size small)
    mkdir -p "$DATAROOT"
fi
resume=()
[[ ! -e ckpt/$name/train_state.pth ]] || resume=(--resume True)

python train.py --name "$name" --model sve --dataroot "$DATAROOT" "${shared[@]}" "${recipe[@]}" "$@" \
    ${resume[@]+"${resume[@]}"}
