#!/usr/bin/env bash
# From nothing to restored HDR images: environment, demo data, a few minutes of training, test. Needs no GPU.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
DATA=datasets/demo
NAME=quickstart

python -m data.simulate.brackets --out $DATA
python train.py --name $NAME --model syn --dataset_name syn --dataroot $DATA --net tmrnet --size tiny \
    --gpu_ids -1 -j 1 --batch_size 4 --patch_size 48 --lr 2e-3 --lr_policy cosine_warmup \
    --epoch_iters 50 --niter 38 --print_freq 200 --val_freq 6 --save_epoch_freq 38
python test.py --name $NAME --model syn --dataset_name syn --dataroot $DATA --gpu_ids -1 -j 1 --baselines True
