"""Go through the networks that people have, and say for each what holds of blocks that are put into it.

python -m tests.benchmarks.networks [NAME ...]

A network passes if everything holds. What the network itself cannot do without blocks, such as being exported, is
written as "not by itself" and does not count. A result that is wrong without an error is "SILENTLY WRONG".
"""

import argparse
import contextlib
import copy
import json
import os
import pickle
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from attnspace import Placement, cost, insert, plan, slots
from tests.benchmarks.machine import machine
from tests.benchmarks.network_zoo import NETWORKS, Network
from tests.surgery import frozen_norms

BLOCKS = ("cbam", "ca", "eca")
HOLDS, NOT_BY_ITSELF, WRONG = "holds", "not by itself", "SILENTLY WRONG"
SECONDS = 600
LEAST = 16
"""Channels of a slot, at least: a reduction of 16 leaves nothing of fewer, and is refused there."""
OUT = Path(__file__).parent / "results" / "networks.json"


class Broken(Exception):
    """Something does not hold, and says so."""


class SilentlyWrong(Exception):
    """Something does not hold, and nothing says so."""


class NotByItself(Exception):
    """The network without blocks cannot do it either."""


def tensors(value: Any) -> list[Tensor]:
    """Every floating-point tensor in what a network returns."""
    if isinstance(value, Tensor):
        return [value] if value.is_floating_point() else []
    if isinstance(value, Mapping):
        return [found for item in value.values() for found in tensors(item)]
    if isinstance(value, list | tuple):
        return [found for item in value for found in tensors(item)]
    return []


@torch.no_grad()
def output(model: nn.Module, x: Tensor) -> list[Tensor]:
    """What a network returns in evaluation."""
    return [tensor.clone() for tensor in tensors(model.eval()(x))]


def same(found: list[Tensor], expected: list[Tensor], tolerance: float = 0.0) -> bool:
    """Whether two outputs agree; without a tolerance to the bit."""
    if len(found) != len(expected):
        return False
    if not tolerance:
        return all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    return all(
        torch.allclose(a, b, rtol=tolerance, atol=tolerance * (1 + b.abs().max().item()))
        for a, b in zip(found, expected, strict=True)
    )


def must(held: bool, what: str) -> None:
    """Say that something is silently wrong if it does not hold."""
    if not held:
        raise SilentlyWrong(what)


class Case:
    """One network: as it is, with slots, and with blocks."""

    def __init__(self, network: Network) -> None:
        torch.manual_seed(0)
        self.network = network
        self.x = torch.rand(2, *network.shape)
        self.plain = _moved(network.make()).eval()
        self.expected = output(self.plain, self.x)
        self.weights = copy.deepcopy(self.plain.state_dict())
        self.opened = network.open(copy.deepcopy(self.plain))
        found = slots(self.opened, network.shape)
        positions = [slot.position for slot in found]
        self.position = "residual" if "residual" in positions else positions[0]
        here = [slot for slot in found if slot.position == self.position]
        self.slots = [slot for slot in here if slot.channels >= LEAST]
        self.narrow = len(here) - len(self.slots)

    def with_blocks(self, name: str, start: str = "published") -> nn.Module:
        """The network with a block in every slot of one position, its weights moved so that it counts."""
        model = copy.deepcopy(self.opened)
        place = Placement(position=self.position, start=start)  # type: ignore[arg-type]  # one of two words
        insert(model, plan(self.slots, place, name), self.network.shape)
        if start == "published":
            with torch.no_grad():
                for weight in self.attention(model).values():
                    weight.add_(torch.randn(weight.shape) * 0.3)
        return model

    def attention(self, model: nn.Module) -> dict[str, Tensor]:
        """The parameters of inserted blocks."""
        blocks = {slot.name: model.get_submodule(slot.name) for slot in self.slots}
        return {f"{slot}.{name}": weight for slot, block in blocks.items() for name, weight in block.named_parameters()}

    def watched(self, model: nn.Module) -> dict[str, bool]:
        """Whether each inserted block runs, filled in as the model runs."""
        ran = {slot.name: False for slot in self.slots}
        for name in ran:
            model.get_submodule(name).register_forward_hook(lambda *_, name=name: ran.update({name: True}))
        return ran


def _moved(model: nn.Module) -> nn.Module:
    """With statistics that are not those of a new network."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model


def opening_changes_nothing(case: Case) -> None:
    must(same(output(case.opened, case.x), case.expected), "with slots it computes something else")
    found = case.opened.state_dict()
    must(list(found) == list(case.weights), "with slots its weights have other names")
    must(all(torch.equal(found[name], case.weights[name]) for name in found), "with slots its weights differ")


def costs_are_found(case: Case) -> None:
    found = cost(case.plain, case.network.shape)
    params = sum(p.numel() for p in case.plain.parameters() if p.requires_grad)
    must(found.params == params, "its cost has another number of parameters")
    must(found.flops > 0 and found.activation_bytes > 0, "its costs are 0")
    model = case.with_blocks("eca")
    more = cost(model, case.network.shape)
    must(more.params == params + sum(w.numel() for w in case.attention(model).values()), "blocks are not in the costs")
    must(all(p.device.type == "cpu" for p in case.plain.parameters()), "its parameters lie elsewhere after a look")


def blocks_are_trained(case: Case) -> None:
    for name in BLOCKS:
        model = case.with_blocks(name)
        found = model.state_dict()
        must(all(torch.equal(found[key], case.weights[key]) for key in case.weights), f"{name} changes weights")
        ran = case.watched(model)
        outputs = tensors(model.train()(case.x))
        sum(tensor.square().mean() for tensor in outputs).backward()
        must(all(ran.values()), f"{name} does not run")
        gradients = {key: weight.grad for key, weight in case.attention(model).items()}
        without = [key for key, gradient in gradients.items() if gradient is None]
        must(not without, f"{name} gets no gradient: {without[:1]}")
        must(all(g.isfinite().all() for g in gradients.values()), f"{name} gets a gradient that is no number")


def identity_start_is_the_network(case: Case) -> None:
    model = case.with_blocks("cbam", start="identity")
    must(same(output(model, case.x), case.expected), "from identity it computes something else")


def is_pickled(case: Case) -> None:
    try:
        pickle.dumps(case.plain)
    except Exception as cause:
        raise NotByItself(str(cause)) from cause
    model = case.with_blocks("cbam")
    again = pickle.loads(pickle.dumps(model))
    must(same(output(again, case.x), output(model, case.x)), "unpickled it computes something else")


def is_exported(case: Case) -> None:
    def exported(model: nn.Module) -> list[Tensor]:
        program = torch.export.export(model.eval(), (case.x,))
        return [tensor.detach() for tensor in tensors(program.module()(case.x))]

    model = case.with_blocks("ca")
    expected = output(model, case.x)
    try:
        found = exported(model)
    except Exception as cause:
        try:
            exported(case.plain)
        except Exception as without:
            raise NotByItself(str(without).splitlines()[0]) from without
        raise Broken(f"export: {type(cause).__name__}: {cause}") from cause
    must(same(found, expected, 1e-4), "exported it computes something else")


def survives_synchronised_norms(case: Case) -> None:
    without = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(case.plain))
    if not same(output(without, case.x), case.expected, 1e-5):
        raise NotByItself("torch drops what its norms do besides, such as their activation")
    model = case.with_blocks("cbam")
    expected = output(model, case.x)
    changed = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    must(same(output(changed, case.x), expected, 1e-5), "with synchronised norms it computes something else")


def survives_fusing(case: Case) -> None:
    """By the network's own method, by torch.fx, and by freezing every batch norm: kept, or refused with an error."""
    model = case.with_blocks("se-timm")
    expected = output(model, case.x)
    ways: dict[str, Callable[[nn.Module], nn.Module]] = {"frozen norms": frozen_norms}
    if callable(getattr(model, "fuse", None)):
        ways["its own fuse()"] = lambda model: model.fuse(verbose=False)
    with contextlib.suppress(Exception):  # whatever tracing raises
        if same(output(_fused(copy.deepcopy(case.plain)), case.x), case.expected, 1e-3):
            ways["torch.fx"] = _fused
    for way, change in ways.items():
        try:
            changed = change(copy.deepcopy(model).eval())
        except (AttributeError, NotImplementedError, TypeError):
            continue  # it says that it cannot
        must(same(output(changed, case.x), expected, 1e-3), f"after {way} it computes something else")


def _fused(model: nn.Module) -> nn.Module:
    from torch.fx.experimental.optimization import fuse

    return fuse(model.eval())


CHECKS: dict[str, Callable[[Case], None]] = {
    "opening": opening_changes_nothing,
    "cost": costs_are_found,
    "training": blocks_are_trained,
    "identity": identity_start_is_the_network,
    "pickle": is_pickled,
    "export": is_exported,
    "SyncBN": survives_synchronised_norms,
    "fusing": survives_fusing,
}


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Stop what takes longer."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def examined(network: Network) -> dict[str, Any]:
    """One row of the table."""
    row: dict[str, Any] = {"package": network.package, "name": network.name, "slots": "default"}
    if network.slots is not None:
        row["slots"] = str(dict(network.slots))
    try:
        with limited(SECONDS):
            case = Case(network)
    except Exception as cause:
        return row | {"opening": _said(cause)}
    row |= {"places": len(case.slots), "stages": len({slot.stage for slot in case.slots}), "position": case.position}
    row |= {"layout": case.slots[0].layout, "narrow": case.narrow}
    for name, check in CHECKS.items():
        try:
            with limited(SECONDS):
                check(case)
            row[name] = HOLDS
        except NotByItself as cause:
            row[name] = f"{NOT_BY_ITSELF}: {cause}"
        except SilentlyWrong as cause:
            row[name] = f"{WRONG}: {cause}"
        except Exception as cause:
            row[name] = _said(cause)
    return row


def _said(cause: Exception) -> str:
    return f"{type(cause).__name__}: {cause}"[:400]


def passes(row: Mapping[str, Any]) -> bool:
    """Whether everything holds that holds of the network itself."""
    return all(str(row.get(name)).startswith((HOLDS, NOT_BY_ITSELF)) for name in CHECKS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these networks; results of the others are kept")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    os.environ.setdefault("YOLO_OFFLINE", "true")
    torch.set_num_threads(1)
    rows = {}
    if given.out.exists():
        rows = {(row["package"], row["name"]): row for row in json.loads(given.out.read_text())["rows"]}
    for network in NETWORKS:
        key = network.package, network.name
        if network.name in given.names or not (given.names or key in rows):
            rows[key] = examined(network)
            faults = {name: rows[key].get(name) for name in CHECKS if rows[key].get(name) != HOLDS}
            print(*key, "passes" if passes(rows[key]) else "FAILS", faults or "", flush=True)
            _write(given.out, list(rows.values()))
    _show(list(rows.values()))


def _write(out: Path, rows: list[dict[str, Any]]) -> None:
    """Write the table as it stands, so that a cut costs one network."""
    versions = {}
    for package in sorted({row["package"] for row in rows}):
        from importlib.metadata import version

        versions[package] = version(package.replace("_", "-"))
    passing = sum(map(passes, rows))
    wrong = [f"{row['package']} {row['name']}" for row in rows if any(WRONG in str(v) for v in row.values())]
    head = {"machine": machine(), "versions": versions, "networks": len(rows), "pass": passing, "silently wrong": wrong}
    out.write_text(json.dumps(head | {"rows": rows}, indent=1) + "\n")


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table("package", "network", "places", *CHECKS)
    for row in rows:
        cells = ["yes" if row.get(name) == HOLDS else str(row.get(name, ""))[:30] for name in CHECKS]
        table.add_row(row["package"], row["name"], str(row.get("places", "")), *cells)
    Console(width=200).print(table)
    print(f"{sum(map(passes, rows))} of {len(rows)} networks pass everything")


if __name__ == "__main__":
    main()
