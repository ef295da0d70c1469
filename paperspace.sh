#!/usr/bin/env bash
# From a bare Ubuntu machine with an NVIDIA card (Paperspace, Lambda, a workstation) to a running training.
#
#   bash paperspace.sh [settings of train.py ...]      e.g.  bash paperspace.sh --dataset_name my_bank.json
#
# Run it again whenever you like: what is installed stays, and a training that runs is left alone.
# Without settings it continues a training that was stopped; with settings it starts a new one.
# It takes one card, which is enough for a model this small; CARDS=2 bash paperspace.sh ... takes two.
# Put your W&B key into WANDB_API_KEY to follow the run in a browser.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

session=cursive

# 1. A training that is running already is the one thing not to disturb.
if command -v tmux >/dev/null && tmux has-session -t "$session" 2>/dev/null; then
    echo "a training is running; look at it with: tmux attach -t $session"
    exit 0
fi

# 2. The driver. It belongs to the machine and wants a reboot, so we only check it.
if ! nvidia-smi --query-gpu=name,driver_version --format=csv,noheader; then
    echo "no working NVIDIA driver; install one with 'sudo ubuntu-drivers install', reboot, and run this script again" >&2
    exit 1
fi

# 3. Python with venv, tmux so that the training outlives your connection, and what torch needs to
#    compile a model: a C compiler and the headers of Python.
needed=()
command -v tmux >/dev/null || needed+=(tmux)
command -v gcc >/dev/null || needed+=(build-essential)
python3 -c 'import ensurepip, venv' 2>/dev/null || needed+=(python3 python3-venv)
python3 - <<'PYTHON' 2>/dev/null || needed+=(python3-dev)
import pathlib, sys, sysconfig
sys.exit(not pathlib.Path(sysconfig.get_paths()["include"], "Python.h").exists())
PYTHON
if [ ${#needed[@]} -gt 0 ]; then
    root=(env)
    [ "$(id -u)" -eq 0 ] || root=(sudo env)
    # A new machine updates itself for its first minutes. Then apt waits, and asks no questions.
    apt=("${root[@]}" DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a
         apt-get -o DPkg::Lock::Timeout=900)
    for attempt in $(seq 90); do   # the lock of the lists has no such option
        ! "${apt[@]}" update || break
        [ "$attempt" -lt 90 ] || { echo "apt-get update keeps failing; its reason stands above" >&2; exit 1; }
        echo "apt-get update failed, perhaps because the machine is updating itself; once more in 10 seconds"
        sleep 10
    done
    "${apt[@]}" install -y "${needed[@]}"
fi
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "Python 3.10 or newer is needed, this is $(python3 --version)" >&2
    exit 1
}

# 4. An environment of our own; pip skips what is there.
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/pip install --quiet --upgrade pip
.venv/bin/pip install --quiet -r requirements.txt
sees_card() { .venv/bin/python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; }
driver=$(nvidia-smi | sed -n 's/.*CUDA Version: *\([0-9]*\)\.\([0-9]*\).*/\1\2/p')
built=$(.venv/bin/python -c 'import torch; print((torch.version.cuda or "999").replace(".", ""))')
if ! sees_card && [ "$built" -gt "${driver:-0}" ]; then
    # The usual build of torch wants a recent driver. Older builds of the same version want less.
    version=$(sed -n 's/^torch==//p' requirements.txt)
    for cuda in 130 129 128 126 124 118; do
        [ "$cuda" -le "${driver:-130}" ] || continue
        echo "torch does not see the card; trying its build for CUDA ${cuda:0:2}.${cuda:2}"
        .venv/bin/pip install --quiet --force-reinstall "torch==$version" \
            --index-url "https://download.pytorch.org/whl/cu$cuda" || continue
        .venv/bin/pip install --quiet -r requirements.txt   # what that index has in other versions
        ! sees_card || break
    done
fi
sees_card || {
    echo "nvidia-smi finds a card, but torch sees none. The driver is for CUDA ${driver:0:2}.${driver:2}; if that is" \
         "older than torch's, update it with 'sudo ubuntu-drivers install', reboot, and run this script again." \
         "Otherwise look at CUDA_VISIBLE_DEVICES (${CUDA_VISIBLE_DEVICES-not set}) and at your rights to /dev/nvidia*" >&2
    exit 1
}
.venv/bin/python -c 'import torch; print("training on", torch.cuda.get_device_name())'

# 5. The training: a new one, or the last one where it stopped. Settings on the command line start a new one.
if [ $# -eq 0 ] && compgen -G 'runs/*/last.pt' >/dev/null; then
    set -- --resume last
fi
mkdir -p runs
printf -v settings ' %q' "$@"
[ $# -gt 0 ] || settings=
start=.venv/bin/python
[ "${CARDS:-1}" -le 1 ] || start=".venv/bin/torchrun --standalone --nproc_per_node=$CARDS"
# Afterwards the session gets another name, so that this script does not take it for a training.
tmux new-session -d -s "$session" "$start train.py$settings 2>&1 | tee -a runs/training.log; \
tmux rename-session -t $session $session-ended-\$(date +%d-%H%M%S); exec bash"
echo "training has started; look at it with: tmux attach -t $session   (leave it with Ctrl-B, then D)"
echo "its output is also in runs/training.log, its samples in runs/*/samples-*.png"
