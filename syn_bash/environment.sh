# Sourced by the other scripts: goes to the project's folder and makes its virtual environment .venv there, once.
# PYTHON names the interpreter to make it with (3.11 or later).
# Relative paths in the variables that scripts take are from where the script was called.
set -euo pipefail
for variable in DATAROOT HDR SOURCE PREPARED CACHE_DIR START PWCNET SPYNET VGG; do
    case ${!variable:-} in
        "" | /*) ;;
        *) printf -v "$variable" '%s/%s' "$PWD" "${!variable}" ;;
    esac
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if ! cmp -s requirements.txt .venv/requirements.txt; then
    echo "installing the requirements into .venv (a few minutes, some GB) ..."
    "${PYTHON:-python3}" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
    cp requirements.txt .venv/requirements.txt
fi
source .venv/bin/activate
