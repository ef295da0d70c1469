#!/usr/bin/env bash
# From a bare Ubuntu machine with an NVIDIA card (Paperspace, Lambda, a workstation) to a running training.
#
#   bash paperspace.sh [settings of train.py ...]      e.g.  bash paperspace.sh --dataset_name my_bank.json
#
# Run it again whenever you like: what is installed stays, and a training that runs is left alone.
# Without settings it continues a training that was stopped; with settings it starts a new one.
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

# 3. Python with venv, and tmux so that the training outlives your connection.
needed=()
command -v tmux >/dev/null || needed+=(tmux)
python3 -c 'import ensurepip, venv' 2>/dev/null || needed+=(python3 python3-venv)
if [ ${#needed[@]} -gt 0 ]; then
    root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    "${root[@]}" apt-get update
    "${root[@]}" apt-get install -y "${needed[@]}"
fi
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "Python 3.10 or newer is needed, this is $(python3 --version)" >&2
    exit 1
}

# 4. An environment of our own; pip skips what is there.
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/pip install --quiet --upgrade pip
.venv/bin/pip install --quiet -r requirements.txt
.venv/bin/python - <<'PYTHON'
import sys, torch
if not torch.cuda.is_available():
    sys.exit(f"torch {torch.__version__} finds no CUDA device: the driver is too old for it; "
             "update the driver, or install a torch for your CUDA version (https://pytorch.org)")
print("training on", torch.cuda.get_device_name())
PYTHON

# 5. The training: a new one, or the last one where it stopped. Settings on the command line start a new one.
if [ $# -eq 0 ] && compgen -G 'runs/*/last.pt' >/dev/null; then
    set -- --resume last
fi
mkdir -p runs
printf -v settings ' %q' "$@"
[ $# -gt 0 ] || settings=
# Several cards train one model together, each on its share of every batch.
cards=$(nvidia-smi --list-gpus | wc -l)
start=.venv/bin/python
[ "$cards" -le 1 ] || start=".venv/bin/torchrun --standalone --nproc_per_node=$cards"
tmux new-session -d -s "$session" "$start train.py$settings 2>&1 | tee -a runs/training.log; exec bash"
echo "training has started; look at it with: tmux attach -t $session   (leave it with Ctrl-B, then D)"
echo "its output is also in runs/training.log, its samples in runs/*/samples-*.png"
