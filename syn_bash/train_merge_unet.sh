#!/usr/bin/env bash
# Trains merge_unet as the weights in ckpt/brackets were trained (which have three more runs behind them, see
# ckpt/README.md): raw brackets of 2 to 7 frames, ratios 2 to 8, ISO 100 to 12800, most of five frames and ratio 4. They
# are simulated of photographs that come with scikit-image, of drawn pictures, and of the photographs in the folder
# SOURCE, if it is given (the more the better); aligned and merged once, SAMPLES of them; and trained on, on one core of
# a CPU: in an hour where it multiplies bfloat16 by itself (PRECISION=bf16; amx_bf16 in /proc/cpuinfo), else in two and
# a half. DEVELOPED=1 makes them developed pictures, mostly three, instead, and FOREGROUND=0.75 lets something move
# before three quarters. Options go to the training; called again, it goes on where it stopped.
#     SOURCE=/data/photographs PRECISION=bf16 bash syn_bash/train_merge_unet.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
dataroot=${DATAROOT:-datasets/demo} name=${NAME:-brackets_again} samples=${SAMPLES:-4000}
prepared=${PREPARED:-datasets/prepared}

[[ -e $dataroot ]] || python -m data.simulate --out "$dataroot"
python -m models.prepare --dataset_name brackets --dataroot "$dataroot" --out "$prepared" \
    --developed "${DEVELOPED:-0}" --foreground "${FOREGROUND:-0.3}" --samples "$samples" \
    --name "$name" --gpu_ids -1 -j 2 ${SOURCE:+--source "$SOURCE"}
python train.py --name "$name" --model syn --dataset_name prepared --prepared "$prepared" --dataroot "$dataroot" \
    --batch_size 4 --patch_size 64 --loss psnr --lr 1e-3 --lr_policy cosine_warmup --weight_decay 0 \
    --epoch_iters 500 --niter 60 --ema_decay 0.999 --grad_clip 1 --val_freq 6 --save_epoch_freq 60 \
    --print_freq 50 --precision "${PRECISION:-fp32}" --gpu_ids -1 -j 1 --resume auto "$@"
