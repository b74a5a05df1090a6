#!/usr/bin/env bash
# ExposureDiffusion on the real pairs of SID's Sony subset, as published. Set DATAROOT to the folder that holds short/ and
# long/. Options go to the training; called again, it goes on where it was stopped.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
dataroot=${DATAROOT:-datasets/SID/Sony} net=${NET:-unet}
name=${NAME:-sid_${net}_real} resume=()
[[ ! -e ckpt/$name/train_state.pth ]] || resume=(--resume True)

python train.py --name "$name" --model exposure_diffusion --dataset_name sid --dataroot "$dataroot" --net "$net" \
    --with_photon True --concat_origin True --adaptive_res_and_x0 True --iter_num 2 --auxloss True --adaptive_loss True \
    --lr 1e-4 --niter 300 --epoch_iters 2240 --batch_size 1 --patch_size 512 --gpu_ids all -j 8 \
    --cache_dir "${CACHE_DIR:-datasets/cache}" "$@" ${resume[@]+"${resume[@]}"}
