#!/usr/bin/env bash
# ExposureDiffusion on long exposures with drawn noise, as published for NOISE (P+g or P+G+r+u) and NET (unet or nafnet):
# 300 epochs over the Sony subset of SID. Set DATAROOT to the folder that holds short/ and long/. Without it, a small
# network learns from a simulated set. Options go to the training; called again, it goes on where it was stopped.
#     DATAROOT=/data/SID/Sony NOISE=P+g NET=nafnet bash syn_bash/train_sid_syn.sh --gpu_ids 0
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
noise=${NOISE:-P+G+r+u} net=${NET:-unet}
name=${NAME:-sid_${net}_${noise//+/}}
conditions=(--with_photon True --adaptive_res_and_x0 True)
[[ $noise == P+g ]] || conditions+=(--concat_origin True)
if [[ -n ${DATAROOT:-} ]]; then
    data=(--dataroot "$DATAROOT" --include 4 --continuous_noise True --cache_dir "${CACHE_DIR:-datasets/cache}")
    recipe=(--lr 1e-4 --niter 300 --epoch_iters 1288 --batch_size 1 --patch_size 512 --gpu_ids all -j 8)
else
    data=(--dataroot datasets/demo_sid) name=${NAME:-demo_$name}
    recipe=(--size small --lr 1e-3 --lr_policy cosine --niter 12 --epoch_iters 250 --batch_size 4 --patch_size 48 --val_freq 4 -j 2)
    python -m data.simulate --layout sid --out datasets/demo_sid
fi
resume=()
[[ ! -e ckpt/$name/train_state.pth ]] || resume=(--resume True)

python train.py --name "$name" --model exposure_diffusion --dataset_name sid_syn --net "$net" "${data[@]}" --noise "$noise" \
    "${conditions[@]}" --iter_num 2 --auxloss True --adaptive_loss True "${recipe[@]}" "$@" ${resume[@]+"${resume[@]}"}
