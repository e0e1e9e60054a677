"""timm and torchvision, imported when a backbone asks for them."""

from __future__ import annotations

import importlib
from typing import Any

import torch

from attnspace.errors import StudyError

__all__ = ["imported", "is_fetching"]

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_kept: list[torch.library.Library] = []
"""Libraries of operators that must be kept: their operators are gone when they are."""

_FETCHERS = {"huggingface_hub", "httpcore", "httpx", "requests", "urllib3"}


def imported(name: str) -> Any:
    """Import the library `timm` or `torchvision`.

    Raises:
        StudyError: the library is not installed, or cannot be imported.
    """
    for library in ("torchvision", name):  # timm imports torchvision, and must find it whole
        try:
            _import(library)
        except ModuleNotFoundError as cause:
            missing = (cause.name or library).split(".")[0]
            raise StudyError(
                f"{missing} is not installed", at=("kind",), remedy="pip install -c constraints.txt 'attnspace[timm]'"
            ) from None
        except (ImportError, OSError, RuntimeError) as cause:  # builds that do not fit each other
            raise StudyError(
                f"{library} cannot be imported: {cause}",
                at=("kind",),
                remedy="install builds of torch and torchvision that fit each other",
            ) from cause
    return importlib.import_module(name)


def _import(library: str) -> None:
    try:
        importlib.import_module(library)
    except RuntimeError as cause:
        # A build of torchvision for CUDA beside one of torch without it: two operators of detection are declared late.
        if "operator torchvision::nms does not exist" not in str(cause) or _kept:
            raise
        declared = torch.library.Library("torchvision", "DEF")
        for schema in _SCHEMAS:
            declared.define(schema)
        _kept.append(declared)
        importlib.import_module(library)


def is_fetching(cause: BaseException) -> bool:
    """Whether an error comes from the network or a cache of files, rather than from the arguments."""
    return isinstance(cause, OSError) or type(cause).__module__.split(".")[0] in _FETCHERS
