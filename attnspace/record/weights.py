"""Weights that a confirmation keeps: one safetensors file for each network, which says whose weights they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from attnspace.documents.writing import sweep, write_bytes
from attnspace.errors import RunError, RunFailed

__all__ = ["KeptWeights", "SUFFIX", "WEIGHTS", "about_weights", "write_weights"]

WEIGHTS = "weights"
"""The folder of a run directory that weights are kept in."""

SUFFIX = ".safetensors"


def write_weights(path: Path, network: nn.Module, about: Mapping[str, str]) -> None:
    """Write the weights and buffers of a network, whole or not at all, as `safetensors.torch.load_model` reads them.

    Args:
        path: the file; its folder is made if need be.
        network: stays as it is.
        about: what the file says of itself, see `KeptWeights`.

    Raises:
        RunFailed: the file cannot be written.
        KeyError, NotImplementedError, RuntimeError: the network has weights that such a file cannot hold.
    """
    tensors: dict[str, Tensor] = {}
    names: dict[int, str] = {}
    for name, value in network.state_dict(keep_vars=True).items():
        if names.setdefault(id(value), name) == name:  # what modules share is written once
            tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
    content = save(tensors, metadata=dict(about))
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as cause:
        raise RunFailed(f"cannot be made: {cause.strerror}", file=str(path.parent)) from None
    write_bytes(path, content)


def about_weights(path: Path) -> dict[str, str]:
    """What a file of weights says of itself.

    Raises:
        RunError: it is no such file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about: dict[str, str] = file.metadata() or {}
    except (OSError, SafetensorError) as cause:
        raise RunError(
            f"cannot be read: {cause}", file=str(path), allowed="a file that `confirm` wrote", remedy="remove it"
        ) from None
    if "design" not in about:
        raise RunError(
            "does not say whose weights it holds",
            file=str(path),
            allowed="a file that `confirm` wrote",
            remedy="move it elsewhere",
        )
    return about


class KeptWeights:
    """The folder of a run's weights.

    While a confirmation goes on, it has one file for each design, called by its identity. When it ends, those of some
    designs stay, called by what they are in the run, such as `winner`.

    Each file says whose weights it holds: `design` (identity), `seed`, `epochs`, `study` (name), `protocol`, `document`
    (the design as JSON, as `attnspace.insert_design` takes it), `mean` and `std` (JSON; what images were normalised by,
    in units of the pixel values) and the metrics on the test images.

    Args:
        folder: it need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def named(self, name: str) -> Path:
        """The file of what is called so in the run, whether it is there or not."""
        return self.folder / f"{name}{SUFFIX}"

    def designs(self) -> dict[str, Path]:
        """Identity of a design -> the file of its weights.

        Raises:
            RunError: a file in the folder is none of ours.
        """
        return {about_weights(file)["design"]: file for file in sorted(self.folder.glob(f"*{SUFFIX}"))}

    def begin(self) -> None:
        """Call all files by the identities of their designs again: which of them stay is open until the end."""
        for design, file in self.designs().items():
            file.replace(self.named(design))

    def wanted_for(self, design: str, seeds: Collection[int]) -> Path | None:
        """Where the weights of a design are to be written; None if those of one of these seeds are there.

        Raises:
            RunError: the file that is there is none of ours.
        """
        file = self.named(design)
        return None if file.exists() and int(about_weights(file)["seed"]) in seeds else file

    def settle(self, wanted: Mapping[str, str]) -> list[str]:
        """Keep the weights of some designs under their names in the run, and remove the others.

        Args:
            wanted: name -> identity of the design.

        Returns:
            the names for which there are no weights.

        Raises:
            RunFailed: a file cannot be written.
        """
        if not self.folder.is_dir():
            return list(wanted)
        try:
            self.begin()
            kept = {name: self.named(design) for name, design in wanted.items() if self.named(design).is_file()}
            for name, file in kept.items():
                write_bytes(self.named(name), file.read_bytes())
            stays = {self.named(name) for name in kept}
            sweep(self.folder)
            for file in self.folder.glob(f"*{SUFFIX}"):
                if file not in stays:
                    file.unlink()
        except OSError as cause:
            raise RunFailed(f"cannot be used: {cause.strerror}", file=str(self.folder)) from None
        return [name for name in wanted if name not in kept]
