#!/usr/bin/env bash
# Burst denoising on bursts that are made of photographs, as published for COLORS (color or grayscale) and ALIGNMENT (pwcnet, or
# pyramid: the flow network that is trained along). Set DATAROOT to OpenImages, with train/ and test/ (any photographs do),
# and PWCNET to PWC-Net's file. Without DATAROOT a small network, aligned by DIS, learns from the demo's photographs. Options go
# to the training; called again, it goes on where it was stopped.
#     DATAROOT=/data/OpenImages COLORS=grayscale ALIGNMENT=pyramid bash syn_bash/train_deeprep_denoise.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
colors=${COLORS:-color} alignment=${ALIGNMENT:-pwcnet}
if [[ -n ${DATAROOT:-} ]]; then
    name=${NAME:-deeprep_denoise_${colors}_$alignment}
    recipe=(--alignment "$alignment" --frame_num 8 --patch_size 128 --batch_size 8 --small_images published --gpu_ids all -j 8)
    case $colors-$alignment in
        color-pwcnet) recipe+=(--niter 300 --lr_milestones 150,250) ;;
        grayscale-pwcnet) recipe+=(--niter 150 --lr_milestones 100) ;;
        *) recipe+=(--niter 250 --lr_milestones 100,200) ;;
    esac
    [[ $alignment != pwcnet ]] || recipe+=(--pwcnet_path "${PWCNET:?the file of PWC-Net}")
else
    DATAROOT=datasets/demo_burst_denoise name=${NAME:-demo_deeprep_denoise_$colors}
    recipe=(--size small --alignment dis --frame_num 8 --patch_size 48 --batch_size 2 --lr 1e-3 --lr_policy cosine_warmup
        --epoch_iters 50 --niter 48 --grad_clip 0.5 --ema_decay 0.98 --val_freq 8 --save_epoch_freq 8 -j 1)
    python -m data.simulate --layout burst_denoise --out "$DATAROOT"
fi
resume=()
[[ ! -e ckpt/$name/train_state.pth ]] || resume=(--resume True)

python train.py --name "$name" --model deeprep --dataset_name burst_denoise_train --dataroot "$DATAROOT" --net deeprep_denoise \
    --colors "$colors" "${recipe[@]}" "$@" ${resume[@]+"${resume[@]}"}
