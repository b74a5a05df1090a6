#!/usr/bin/env bash
# Restores one's own photographs: restore_photos.sh DIR [options of test.py]. DIR holds the brackets of one scene, or a
# folder for each scene. Up to five raw files are restored by the network whose weights come with the project, more of
# them, and JPEG, TIFF and PNG files, by a merge of the aligned exposures.
set -euo pipefail
if [[ $# -eq 0 || ! -d $1 ]]; then
    echo "usage: bash syn_bash/restore_photos.sh DIR [options]    DIR: 2 to 9 raw, JPEG, TIFF or PNG files of one scene," >&2
    echo "       exposed differently, or a folder for each scene; options: those of test.py, such as --gpu_ids -1" >&2
    exit 2
fi
photos=$(cd "$1" && pwd)
shift
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

scenes=$(python -c '
import sys
from pathlib import Path
from data.folder_dataset import find_scenes, raw_frames
root = Path(sys.argv[1])
for scene in find_scenes(root) or [root]:
    print(len(raw_frames(scene)), scene)' "$photos")
status=0
while read -r raw_files scene; do
    method=(--net exposure_merge)
    if (( raw_files > 0 && raw_files <= 5 )); then
        method=(--net tmrnet --load_path ckpt/small/TMRNet_model_small.pth)
    fi
    python test.py --name "photos_$(basename "$scene")" --model syn --dataset_name folder --dataroot "$scene" \
        "${method[@]}" --save_imgs True --save_hdr exr --gpu_ids all -j 1 "$@" || status=$?
done <<< "$scenes"
exit $status
