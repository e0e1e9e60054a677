"""Backbones of other libraries and of the user's own, with slots opened in them by patterns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import nn

from attnspace.backbones.families import open_known
from attnspace.backbones.libraries import imported, is_fetching
from attnspace.backbones.section import Backbone
from attnspace.costs.inputs import Inputs
from attnspace.documents.imports import Imported, users_code
from attnspace.documents.validation import did_you_mean
from attnspace.errors import AttnspaceError, StudyError
from attnspace.placement.openings import add_sites
from attnspace.placement.patterns import Openings

__all__ = ["ImportConfig", "TimmConfig", "TorchvisionConfig", "make_imported", "make_timm", "make_torchvision"]

Size = tuple[int, int] | None
"""Height and width of the images; None where they are not known."""

INPUT_SIZE = (224, 224)


class _Library(Backbone):
    """What timm and torchvision have in common."""

    model: Annotated[str, Field(min_length=1, max_length=200, description="The library's name of the model.")]
    pretrained: Annotated[bool, Field(description="Whether to fetch the library's weights.")] = False
    args: Annotated[dict[str, Any], Field(max_length=256, description="Further keyword arguments.")] = Field(
        default_factory=dict
    )
    slots: Annotated[
        Openings | None,
        Field(description="Position -> where its slots are; null where the blocks of the family are known."),
    ] = None


class TimmConfig(_Library):
    """A model of timm, by its name there."""

    kind: Literal["timm"] = "timm"

    def make(self, in_channels: int, num_classes: int, size: Size = None) -> nn.Module:
        return make_timm(self, in_channels, num_classes, size)


class TorchvisionConfig(_Library):
    """A classifier of torchvision, by its name there."""

    kind: Literal["torchvision"] = "torchvision"

    def make(self, in_channels: int, num_classes: int, size: Size = None) -> nn.Module:
        return make_torchvision(self, in_channels, num_classes, size)


class ImportConfig(Imported, Backbone):
    """A function of the user's that makes a model: it is called with in_channels, num_classes and `args`.

    Without `slots` the model has `Site`s of its own.
    """

    kind: Literal["import"] = "import"
    slots: Annotated[Openings, Field(description="Position -> where its slots are.")] = Field(default_factory=dict)

    def make(self, in_channels: int, num_classes: int, size: Size = None) -> nn.Module:
        return make_imported(self, in_channels, num_classes, size)


def make_timm(config: TimmConfig, in_channels: int, num_classes: int, size: Size = None) -> nn.Module:
    """Make the timm model of this name, with a classifier for `num_classes`.

    Raises:
        StudyError: timm is not installed, knows no such model, or cannot make it; weights cannot be fetched.
        PlacementError: no slots can be opened as asked.
    """
    timm = imported("timm")
    if not timm.is_model(config.model):
        raise _unknown(config, timm.list_models())
    given = {"pretrained": config.pretrained, "in_chans": in_channels, "num_classes": num_classes}
    model = _called(timm.create_model, config, (config.model,), given)
    own = getattr(model, "pretrained_cfg", {}).get("input_size", (3, *INPUT_SIZE))
    return _opened(model, config, (in_channels, *(size or own[1:])))


def make_torchvision(config: TorchvisionConfig, in_channels: int, num_classes: int, size: Size = None) -> nn.Module:
    """Make the torchvision model of this name; with weights for other classes, its last linear layer is a new one.

    Raises:
        StudyError: torchvision is not installed, knows no such classifier, or cannot make it; the images do not have
            3 channels; weights cannot be fetched.
        PlacementError: no slots can be opened as asked.
    """
    models = imported("torchvision").models
    if config.model not in models.list_models(module=models):
        raise _unknown(config, models.list_models(module=models))
    if in_channels != 3:
        raise StudyError(
            "torchvision's models take images of 3 channels",
            at=("kind",),
            got=in_channels,
            remedy="use a model of timm, which takes any number, or images in colour",
        )
    if not config.pretrained:
        model = _called(models.get_model, config, (config.model,), {"weights": None, "num_classes": num_classes})
    else:
        weights = models.get_model_weights(config.model).DEFAULT
        model = _called(models.get_model, config, (config.model,), {"weights": weights})
        if len(weights.meta["categories"]) != num_classes:
            _replace_classifier(model, config, num_classes)
    return _opened(model, config, (in_channels, *(size or INPUT_SIZE)))


def make_imported(config: ImportConfig, in_channels: int, num_classes: int, size: Size = None) -> nn.Module:
    """Make the model that the user's function returns.

    Raises:
        StudyError: there is no such function, it raises, or what it returns is no module.
        PlacementError: no slots can be opened as asked.
    """
    function = config.function(StudyError)
    model = _called(function, config, (), {"in_channels": in_channels, "num_classes": num_classes})
    if not isinstance(model, nn.Module):
        raise StudyError("returns no torch.nn.Module", at=("import",), got=type(model).__name__)
    if not config.slots:
        return model
    has_examples = hasattr(model, "example_inputs")
    return add_sites(model, _written(config.slots), (in_channels, *size) if size and not has_examples else None)


def _called(
    factory: Callable[..., Any], config: _Library | ImportConfig, args: tuple[Any, ...], given: dict[str, Any]
) -> Any:
    """Call a factory with the arguments given here and those of the user; return the model."""
    for name in config.args:
        if name in given:
            raise StudyError("is not for args: it is given already", at=("args", name), got=config.args[name])
    try:
        with users_code():
            return factory(*args, **given, **config.args)
    except AttnspaceError:
        raise
    except Exception as cause:  # whatever the code of others raises
        if isinstance(config, _Library) and config.pretrained and is_fetching(cause):
            raise StudyError(
                f"the weights of {config.model} cannot be fetched: {cause}",
                at=("pretrained",),
                remedy="pretrained: false, or run once with internet, so that they lie in the library's cache",
            ) from cause
        at = ("model",) if isinstance(config, _Library) else ("import",)
        got = config.model if isinstance(config, _Library) else config.target
        raise StudyError(f"raises {type(cause).__name__} when called: {cause}", at=at, got=got) from cause


def _unknown(config: TimmConfig | TorchvisionConfig, names: list[str]) -> StudyError:
    return StudyError(
        f"{config.kind} has no such model",
        at=("model",),
        got=config.model,
        remedy=did_you_mean(config.model, names) or f"see {config.kind}.{_LISTS[config.kind]}",
    )


_LISTS = {"timm": "list_models()", "torchvision": "models.list_models()"}


def _replace_classifier(model: nn.Module, config: TorchvisionConfig, num_classes: int) -> None:
    linear = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise StudyError(
            f"{config.model} has no linear layer to replace for {num_classes} classes",
            at=("pretrained",),
            remedy="pretrained: false",
        )
    name, last = linear[-1]
    model.set_submodule(name, nn.Linear(last.in_features, num_classes, bias=last.bias is not None))


def _opened(model: nn.Module, config: _Library, shape: tuple[int, int, int]) -> nn.Module:
    """Open the slots of a model, and note on it the input shape that they were found with."""
    if config.slots is None:
        open_known(model, config.model, Inputs(shape))
    else:
        add_sites(model, _written(config.slots), shape)
    model.input_shape = shape  # type: ignore[assignment]  # any attribute may be set on a module
    return model


def _written(slots: Openings) -> dict[str, Any]:
    return {
        position: written if isinstance(written, str) else written.model_dump(exclude_none=True)
        for position, written in slots.items()
    }
