#!/usr/bin/env bash
# Burst super-resolution on bursts that are made of photographs, as published for NET=deeprep_sr (14 frames, 500 epochs) or
# NET=dbsr (8 frames, 100 epochs). Set DATAROOT to ZurichRAW2RGB, with train/canon and test/canon, and PWCNET to PWC-Net's file.
# Without DATAROOT a small network, aligned by DIS, learns from the demo's photographs. Options go to the training; called
# again, it goes on where it was stopped.
#     DATAROOT=/data/Zurich-RAW-to-DSLR PWCNET=pwcnet-network-default.pth bash syn_bash/train_deeprep_sr.sh --gpu_ids all
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
net=${NET:-deeprep_sr}
if [[ -n ${DATAROOT:-} ]]; then
    name=${NAME:-${net}_synthetic}
    recipe=(--pwcnet_path "${PWCNET:?the file of PWC-Net}" --burst_bits 8 --batch_size 16 --gpu_ids all -j 8)
    if [[ $net == dbsr ]]; then
        recipe+=(--frame_num 8 --patch_size 48 --niter 100 --lr_milestones 40,80)
    else
        recipe+=(--frame_num 14 --patch_size 54 --niter 500 --lr_milestones 300,400)
    fi
else
    DATAROOT=datasets/demo_synburst name=${NAME:-demo_$net}
    recipe=(--size small --alignment dis --frame_num 8 --patch_size 32 --loss_border 16 --batch_size 2 --lr 5e-4 --lr_policy cosine_warmup
        --epoch_iters 50 --niter 48 --grad_clip 0.1 --ema_decay 0.98 --val_freq 8 --save_epoch_freq 8 -j 1)
    python -m data.simulate --layout synburst --out "$DATAROOT"
fi
resume=()
[[ ! -e ckpt/$name/train_state.pth ]] || resume=(--resume True)

python train.py --name "$name" --model deeprep --dataset_name synburst_train --dataroot "$DATAROOT" --net "$net" "${recipe[@]}" \
    "$@" ${resume[@]+"${resume[@]}"}
