#!/usr/bin/env bash
# Burst super-resolution on BurstSR's real bursts, as published: from the weights of train_deeprep_sr.sh, 40 epochs, 14 frames
# (NET=dbsr: 8), the loss after alignment in place and colour. Set DATAROOT to the cropped set, with train and val, PWCNET to
# PWC-Net's file, START to the weights. Options go to the training; called again, it goes on where it was stopped.
#     DATAROOT=/data/burstsr_dataset PWCNET=pwcnet-network-default.pth bash syn_bash/train_deeprep_burstsr.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
net=${NET:-deeprep_sr} name=${NAME:-${NET:-deeprep_sr}_burstsr}
kind=DeepRepSR recipe=(--frame_num 14 --batch_size 16)
[[ $net != dbsr ]] || kind=DBSR recipe=(--frame_num 8 --batch_size 12)
start=(--load_path "${START:-ckpt/${net}_synthetic/${kind}_model_latest.pth}")
[[ ! -e ckpt/$name/train_state.pth ]] || start=(--resume True)

python train.py --name "$name" --model deeprep --dataset_name burstsr --dataroot "${DATAROOT:?the cropped set of BurstSR}" --net "$net" \
    --burst_loss aligned --sca_flow pwcnet --pwcnet_path "${PWCNET:?the file of PWC-Net}" --patch_size 56 "${recipe[@]}" \
    --niter 40 --lr_milestones 15,30 --val_freq 1 --save_epoch_freq 5 --gpu_ids all -j 8 "$@" "${start[@]}"
