#!/usr/bin/env bash
# Restores one's own photographs: restore_photos.sh DIR [--out FOLDER] [options]. DIR holds the brackets of one scene, or a
# folder for each scene; results lie in DIR/restored or FOLDER. `restore_photos.sh DIR -h` explains all options.
set -euo pipefail
if [[ $# -eq 0 || ! -d $1 ]]; then
    echo "usage: bash syn_bash/restore_photos.sh DIR [--out FOLDER] [options]    DIR: 2 to 9 raw, JPEG, TIFF or PNG files" >&2
    echo "       of one scene, exposed differently, or a folder for each scene; -h after DIR explains the options" >&2
    exit 2
fi
photos=$(cd -- "$1" && pwd)
shift
here=$PWD
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
cd -- "$here"   # paths among the options are from where the script was called
python "$OLDPWD/restore.py" "$photos" "$@"
