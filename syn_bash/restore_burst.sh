#!/usr/bin/env bash
# Restores one's own bursts, x4 enlarged: restore_burst.sh DIR [--burst denoise] [--out FOLDER] [options]. DIR holds the raw
# files of one burst, or a folder for each; results lie in DIR/restored or FOLDER. `restore_burst.sh DIR -h` explains all options.
set -euo pipefail
if [[ $# -eq 0 || ! -d $1 ]]; then
    echo "usage: bash syn_bash/restore_burst.sh DIR [--burst denoise] [--out FOLDER] [options]    DIR: 2 to 14 raw files" >&2
    echo "       of one scene, exposed alike, or a folder for each burst; -h after DIR explains the options" >&2
    exit 2
fi
bash "$(dirname "${BASH_SOURCE[0]}")/restore_photos.sh" "$1" --burst x4 "${@:2}"
