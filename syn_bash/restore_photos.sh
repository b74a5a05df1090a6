#!/usr/bin/env bash
# Restores one's own photographs: restore_photos.sh DIR [options of test.py]. DIR holds the brackets of one scene, or a
# folder for each scene. Five raw files, each exposed about four times as long as the one before, are restored by the
# network whose weights come with the project: it was trained on nothing else. All others are merged after alignment.
set -euo pipefail
if [[ $# -eq 0 || ! -d $1 ]]; then
    echo "usage: bash syn_bash/restore_photos.sh DIR [options]    DIR: 2 to 9 raw, JPEG, TIFF or PNG files of one scene," >&2
    echo "       exposed differently, or a folder for each scene; options: those of test.py, such as --gpu_ids -1" >&2
    exit 2
fi
photos=$(cd -- "$1" && pwd)
shift
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

scenes=$(python -m data.suitable_scenes "$photos")
status=0
while IFS= read -r line; do
    scene=${line#* }
    method=(--net exposure_merge)
    if [[ ${line%% *} == network ]]; then
        method=(--net tmrnet --load_path ckpt/small/TMRNet_model_small.pth)
    fi
    for option in "$@"; do
        case $option in --net | --net=* | --load_path | --load_path=*) method=() ;; esac
    done
    python test.py --name "photos_$(basename -- "$scene")" --model syn --dataset_name folder --dataroot "$scene" \
        ${method[@]+"${method[@]}"} --save_imgs True --save_hdr exr --gpu_ids all -j 1 "$@" || status=$?
done <<< "$scenes"
exit $status
