"""Several processes that train one model, as `torchrun` starts them. One process is the simple
case.

Every process samples the same batch, takes its share, adds its gradients to the others' and makes
the same step. Only sums and a request to stop are exchanged. Does not depend on models or data.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist

from cursivetransformer.config.train import Config
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.signals import PARENT, Stopped

# How long to wait for another process, which may be evaluating, fetching or drawing.
TIMEOUT = timedelta(minutes=30)
PARENT_SECONDS = 1.0  # between two looks whether torchrun is alive
SAVE_SECONDS = 300.0  # that an evaluation and saving may take before a process is ended
BEAT_SECONDS = 2.0  # between two signs of life to the other processes
DEAD_SECONDS = 16.0  # without one, after which a process counts as ended; torchrun waits for 30
GRACE_SECONDS = 4.0  # in which the main thread may notice by itself, and say so
ENDED, FAILED = "ended", "failed"  # last signs of life

T = TypeVar("T")


class ProcessGroup:
    """One process that trains alone.

    Attributes:
        rank: index of this process.
        size: number of processes.
        first: whether this is the process that prints and writes files.
    """

    rank: int = 0
    size: int = 1
    first: bool = True

    def all_reduce(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by its sum over the processes."""

    def any(self, flag: bool) -> bool:
        """Return whether the flag of any process is true; every process must call this."""
        return bool(flag)

    def broadcast(self, make: Callable[[], T]) -> T:
        """Return what `make()` returns in the first process; the others do not call it."""
        return make()


class TorchProcessGroup(ProcessGroup):
    """A `torch.distributed` group in the environment that torchrun sets."""

    def __init__(self, device: str) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.first = self.rank == 0
        self.device = device

    def all_reduce(self, tensors: Sequence[torch.Tensor]) -> None:
        # One message for all tensors.
        flat = torch.cat([t.detach().flatten().float() for t in tensors])
        with _as_ended_process():
            dist.all_reduce(flat)
        for t, part in zip(tensors, flat.split([t.numel() for t in tensors])):
            t.copy_(part.view_as(t))

    # Flags and objects go from host to host by gloo. It notices at once where a process has ended,
    # while NCCL would wait.

    def any(self, flag: bool) -> bool:
        total = torch.tensor(float(flag))
        self.all_reduce([total])
        return bool(total.item())

    def broadcast(self, make: Callable[[], T]) -> T:
        box = [make() if self.first else None]
        with _as_ended_process():
            dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]  # type: ignore[return-value]


@contextmanager
def process_group(config: Config) -> Iterator[tuple[ProcessGroup, str]]:
    """Join the processes of this training; yield the group and the device of this process.

    Raises:
        UserError: for a batch that does not divide by the processes, or too few GPUs.
    """
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1:
        if config.device.startswith("cuda:"):
            torch.cuda.set_device(config.device)
        yield ProcessGroup(), config.device
        return
    if config.batch_size % size:
        raise UserError(
            f"--batch_size {config.batch_size} does not divide by the {size} processes that "
            "torchrun started; every one takes an equal share"
        )
    device = _local_device(config.device)
    joined = threading.Event()
    threading.Thread(target=_stop_with_parent, args=(joined,), daemon=True).start()
    _init_process_group(device)
    joined.set()
    group = TorchProcessGroup(device)
    left = threading.Event()
    store = _connect_store()
    watch = threading.Thread(
        target=_watch_processes, args=(store, group.rank, group.size, left), daemon=True
    )
    watch.start()
    sign = FAILED
    try:
        yield group, device
        sign = ENDED
    except SystemExit:  # a request to stop, which reached all
        sign = ENDED
        raise
    finally:
        left.set()
        watch.join(DEAD_SECONDS)  # its last sign of life must not come after ours
        with suppress(RuntimeError):  # the store has ended with its process
            store.set(_life_key(group.rank), sign)
        if dist.is_initialized():
            dist.destroy_process_group()


def _connect_store() -> dist.Store:
    """Connect to the store that the processes found each other by."""
    return dist.TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=False,
        timeout=timedelta(seconds=DEAD_SECONDS),
    )


def _life_key(rank: int) -> str:
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return f"cursivetransformer/life/{attempt}/{rank}"


def _watch_processes(store: dist.Store, rank: int, size: int, left: threading.Event) -> None:
    """End this process with a sentence once another one has ended without a word.

    A thread does so because the main thread may be waiting for a GPU, which waits for the other
    one's part of a sum, and no signal reaches it there.

    Args:
        store: where the processes leave signs of life.
        rank: index of this process.
        size: number of processes.
        left: whether this process has left the others.
    """
    seen = {other: ("", time.monotonic()) for other in range(size) if other != rank}
    beat = 0
    while not left.wait(BEAT_SECONDS):
        beat += 1
        try:
            store.set(_life_key(rank), str(beat))
            for other, (sign, since) in seen.items():
                key = _life_key(other)
                new = store.get(key).decode() if store.check([key]) else ""
                if new != sign:
                    seen[other] = new, time.monotonic()
                elif new != ENDED and time.monotonic() - since > DEAD_SECONDS:
                    new = FAILED
                if new == FAILED:
                    raise RuntimeError(f"process {other} has stopped")
        except RuntimeError as error:  # also where the store ended with the process that held it
            if not left.wait(GRACE_SECONDS) and os.getppid() == PARENT:
                print(f"error: {_tell_ended(error)}", file=sys.stderr, flush=True)
                os._exit(1)
            return


def _tell_ended(error: RuntimeError) -> str:
    reason = str(error).splitlines()[0][:120]
    return (
        f"another process of this training ended; what it said stands above ({reason}); "
        "continue with --resume, with any number of processes"
    )


def _stop_with_parent(joined: threading.Event) -> None:
    """Stop this process as torchrun would, once torchrun itself was killed.

    The process saves what can be saved. It ends without if it cannot, as where it waits for another
    one that has ended.

    Args:
        joined: whether the process has joined the others; before, there is nothing to save.
    """
    while os.getppid() == PARENT:  # Windows tells of no change
        time.sleep(PARENT_SECONDS)
    if joined.is_set():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(SAVE_SECONDS)
    os._exit(128 + signal.SIGTERM)


def _local_device(device: str) -> str:
    """Return the device of this process: on CUDA the GPU of its local rank."""
    if device != "cuda":
        return device
    local_rank, n_devices = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if local_rank >= n_devices:
        raise UserError(
            f"torchrun started more processes than the {n_devices} GPUs here; "
            f"give --nproc_per_node={n_devices}"
        )
    device = f"cuda:{local_rank}"
    torch.cuda.set_device(device)
    return device


def _init_process_group(device: str) -> None:
    # The optimizers import this module, whose functions take the group of that moment as a default.
    # If they are imported later, they keep the group and its threads alive for ever, and a thread
    # that frees a tensor while Python exits crashes the process. So it is imported before.
    import torch.distributed.nn.functional  # noqa: F401

    backend = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo"
    dist.init_process_group(backend, timeout=TIMEOUT)


@contextmanager
def _as_ended_process() -> Iterator[None]:
    """Turn an error of gloo or NCCL into a `UserError`: another process ended."""
    try:
        yield
    except RuntimeError as error:
        if os.getppid() != PARENT:  # torchrun is gone, and the other one noticed first
            raise Stopped(signal.SIGTERM) from error
        raise UserError(_tell_ended(error)) from error
