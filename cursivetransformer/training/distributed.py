"""Several processes that train one model, as `torchrun` starts them; one process alone is the simple case of it.

Every process draws the same batch and takes its share, adds its gradient to the others', and makes the same step. Nothing but
sums and a wish to stop is exchanged. Knows no model and no data.
"""

import os
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from cursivetransformer.utils.errors import UserError

LONGEST_WAIT = timedelta(
    minutes=30
)  # for another process, which may be evaluating, fetching or drawing


class Processes:
    """This process's place among `size`: its `rank`, and whether it is the `first`, which alone speaks and writes files."""

    rank, size, first = 0, 1, True

    def all_reduce(self, tensors):
        """Replace every tensor by its sum over the processes."""

    def any(self, wish):
        """Whether the wish of any process is true; all must ask."""
        return bool(wish)

    def share(self, make):
        """What `make()` returns in the first process."""
        return make()


class ManyProcesses(Processes):
    """A `torch.distributed` group over the environment that torchrun sets."""

    def __init__(self, device):
        # The optimizers import this module, whose functions take the group of that moment as a default and so keep it alive
        # for ever, with its threads; one that still lets go of a tensor while Python ends takes the process down.
        import torch.distributed.nn.functional  # noqa: F401 - imported while there is no group yet

        dist.init_process_group(
            "nccl" if device.startswith("cuda") else "gloo", timeout=LONGEST_WAIT
        )
        self.rank, self.size, self.device = dist.get_rank(), dist.get_world_size(), device
        self.first = self.rank == 0

    def all_reduce(self, tensors):
        flat = torch.cat(
            [t.detach().flatten().float() for t in tensors]
        )  # one message instead of one a tensor
        with _told_if_another_died():
            dist.all_reduce(flat)
        for t, part in zip(tensors, flat.split([t.numel() for t in tensors])):
            t.copy_(part.view_as(t))

    def any(self, wish):
        flag = torch.tensor(float(wish), device=self.device)
        self.all_reduce([flag])
        return bool(flag.item())

    def share(self, make):
        box = [make() if self.first else None]
        with _told_if_another_died():
            dist.broadcast_object_list(box, src=0)
        return box[0]


@contextmanager
def processes(config):
    """The `Processes` of this training, and the device of this one of them; joined on entry, left on exit."""
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1:
        yield Processes(), config.device
        return
    if config.batch_size % size:
        raise UserError(
            f"--batch_size {config.batch_size} does not divide by the {size} processes that torchrun started; every one takes an equal share"
        )
    device = config.device
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        if int(os.environ["LOCAL_RANK"]) >= torch.cuda.device_count():
            raise UserError(
                f"torchrun started more processes than the {torch.cuda.device_count()} GPUs here; give --nproc_per_node={torch.cuda.device_count()}"
            )
        torch.cuda.set_device(device)
    group = ManyProcesses(device)
    try:
        yield group, device
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


@contextmanager
def _told_if_another_died():
    try:
        yield
    except RuntimeError as error:  # gloo's and NCCL's errors are RuntimeErrors
        raise UserError(
            f"another process of this training ended; what it said stands above ({str(error).splitlines()[0][:120]}); "
            "continue with --resume, with any number of processes"
        ) from error
