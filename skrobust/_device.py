"""Devices and threads in one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["lay_out", "limited_threads", "resolve_device"]


def resolve_device(device: str | torch.device | None) -> torch.device:
    """Turn the parameter ``device`` into a torch device that exists.

    Parameters
    ----------
    device : str, torch.device or None
        None and "auto": the current CUDA device if there is one, otherwise the CPU.

    Raises
    ------
    ValueError
        If torch does not know the device, or this machine does not have it.
    """
    if device is None or (isinstance(device, str) and device == "auto"):
        return torch.device("cuda", torch.cuda.current_device()) if _has_cuda() else _CPU
    try:
        resolved = torch.device(device)
        if resolved.type not in ("cpu", "cuda"):
            raise NotImplementedError("only CPUs and CUDA devices are supported")
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"device={device!r} cannot be used here ({reason}); allowed are None, 'auto', 'cpu' "
            "and, where torch sees one, 'cuda' or 'cuda:0'"
        ) from error
    return resolved


def lay_out(module: torch.nn.Module, device: str | torch.device | None) -> None:
    """Put the weights of convolutions where ``device`` computes fastest: on a CPU channels last."""
    if str(device).startswith("cpu"):
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@contextmanager
def limited_threads(n_threads: int | None) -> Iterator[None]:
    """Let torch use at most ``n_threads`` CPU threads inside; None changes nothing."""
    before = torch.get_num_threads()
    if n_threads is None or n_threads >= before:
        yield
        return
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_CPU = torch.device("cpu")


def _has_cuda() -> bool:
    return torch.cuda.is_available()
