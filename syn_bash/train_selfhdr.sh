#!/usr/bin/env bash
# SelfHDR, all its steps: alignment, structure network, structure labels, reconstruction network. Called again, each step
# goes on where it was stopped. With DATAROOT (the folder that holds Training/ and Test/) as published; without, small
# networks learn from simulated scenes.
#     DATAROOT=/data/sig17 NET=sctnet VGG=vgg19-dcbb9e9d.pth bash syn_bash/train_selfhdr.sh --gpu_ids 0
# NET: ahdrnet, fshdr, hdr_transformer, sctnet or any other network. NAME: of the runs. VGG: the weights of torchvision's
# VGG-19, by default looked for in torchvision's cache; STRUCTURE=gradient goes without. Options go to both
# trainings, which must both know them.
set -euo pipefail
device=()
for ((i = 1; i <= $#; i++)); do
    case ${!i} in
        --name* | --model | --model=* | --checkpoints_dir* | --net | --net=* | --network* | --data*)
            echo "error: ${!i} is not for every step: set NAME, NET or DATAROOT instead" >&2
            exit 2 ;;
        --gpu_ids) next=$((i + 1)) device=(--gpu_ids "${!next:-all}") ;;
        --gpu_ids=*) device=("${!i}") ;;
    esac
done
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
net=$(tr 'A-Z-' 'a-z_' <<< "${NET:-ahdrnet}")

if [[ -n ${DATAROOT:-} ]]; then
    dataroot=$DATAROOT name=${NAME:-selfhdr_$net} structure=${STRUCTURE:-vgg}
    case $net in
        hdr_transformer | sctnet) recipe=(--batch_size 8 --niter 200 --lr 2e-4 --lr_decay_iters 100) ;;
        *) recipe=(--batch_size 16 --niter 150 --lr 1e-4 --lr_decay_iters 50) ;;
    esac
    recipe+=(--cache_dir "${CACHE_DIR:-datasets/cache}")   # all scenes of the published set do not fit into memory
else
    dataroot=datasets/demo_ldr name=${NAME:-demo_selfhdr_$net} structure=${STRUCTURE:-$([[ -n ${VGG:-} ]] && echo vgg || echo gradient)}
    recipe=(--size small --batch_size 4 --patch_size 64 --epoch_iters 500 --niter 12 --lr 1e-3 --lr_policy cosine)
    python -m data.simulate --layout kalantari --out "$dataroot"
fi
if [[ $structure != vgg && $structure != gradient ]]; then
    echo "error: STRUCTURE=$structure: vgg or gradient" >&2
    exit 2
fi
loss=(--structure_loss "$structure")
if [[ $structure == vgg ]]; then   # a lack of weights is not to show after days
    python -c 'import sys; from util.errors import run; from models.structure_loss import vgg_weights as find
run(lambda: print("VGG-19:", find(*sys.argv[1:] or [None])))' ${VGG:+"$VGG"}
    loss+=(${VGG:+--vgg_weights "$VGG"})
fi
data=(--dataset_name sig17align --dataroot "$dataroot" --net "$net")

train() { # name of the run, then options
    local run=$1 resume=()
    shift
    [[ ! -e ckpt/$run/train_state.pth ]] || resume=(--resume True)
    python train.py --name "$run" "${data[@]}" "${recipe[@]}" --print_freq 100 -j 4 "$@" ${resume[@]+"${resume[@]}"}
}

python -m data.align --dataset_name sig17align --dataroot "$dataroot"
train "${name}_structure" --model selfhdr1 "$@"
python test.py --name "${name}_structure" --model selfhdr1 "${data[@]}" --structure_labels True -j 2 ${device[@]+"${device[@]}"}
train "$name" --model selfhdr2 --structure_label_path "ckpt/${name}_structure/output_latest" "${loss[@]}" "$@"
