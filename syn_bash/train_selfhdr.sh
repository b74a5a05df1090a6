#!/usr/bin/env bash
# SelfHDR, all its steps: alignment, structure network, structure labels, reconstruction network. Called again, each step
# goes on where it was stopped. With DATAROOT (the folder that holds Training/ and Test/) as published; without, small
# networks learn from simulated scenes. Options go to both trainings.
#     DATAROOT=/data/sig17 NET=sctnet VGG=vgg19-dcbb9e9d.pth bash syn_bash/train_selfhdr.sh --gpu_ids 0
# NET is ahdrnet, fshdr, hdr_transformer, sctnet or any other network; VGG the weights of torchvision's VGG-19, by default
# looked for in torchvision's cache.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
net=${NET:-ahdrnet}
dataroot=${DATAROOT:-datasets/demo_ldr}
name=${NAME:-selfhdr_$net}

case $net in
    hdr_transformer | sctnet) recipe=(--batch_size 8 --niter 200 --lr 2e-4 --lr_decay_iters 100) ;;
    *) recipe=(--batch_size 16 --niter 150 --lr 1e-4 --lr_decay_iters 50) ;;
esac
structure=(${VGG:+--vgg_weights "$VGG"})
cache=(--cache_dir "${CACHE_DIR:-datasets/cache}")   # all scenes of the published set do not fit into memory
if [[ -z ${DATAROOT:-} ]]; then
    python -m data.simulate --layout kalantari --out "$dataroot"
    recipe=(--size small --batch_size 4 --patch_size 64 --epoch_iters 500 --niter 12 --lr 1e-3 --lr_policy cosine)
    [[ -n ${VGG:-} ]] || structure=(--structure_loss gradient)
    cache=()
fi
data=(--dataset_name sig17align --dataroot "$dataroot")

train() { # name of the run, then options
    local run=$1 resume=()
    shift
    [[ ! -e ckpt/$run/train_state.pth ]] || resume=(--resume True)
    python train.py --name "$run" "${data[@]}" --net "$net" "${recipe[@]}" ${cache[@]+"${cache[@]}"} \
        --print_freq 100 -j 4 "$@" ${resume[@]+"${resume[@]}"}
}

python -m data.align "${data[@]}"
train "${name}_structure" --model selfhdr1 "$@"
python test.py --name "${name}_structure" --model selfhdr1 "${data[@]}" --net "$net" --structure_labels True -j 2
train "$name" --model selfhdr2 --structure_label_path "ckpt/${name}_structure/output_latest" ${structure[@]+"${structure[@]}"} "$@"
