"""The published blocks as a table: what they compute, how large they are, what they were compared with."""

from __future__ import annotations

from dataclasses import dataclass

from attnspace.language.compiler import build
from attnspace.language.identity import USUAL_CHANNELS, usual_channels
from attnspace.language.specs import published, read_spec

__all__ = ["Entry", "entries", "markdown"]


@dataclass(frozen=True)
class Entry:
    """One published block.

    Attributes:
        name: what it is called.
        label: its primitives in a few characters.
        doc: what it is, in a sentence.
        formula: what it computes.
        source: paper and equations.
        oracle: what it was compared with, separated by semicolons.
        channels: C at which the parameters were counted.
        params: trainable parameters there.
    """

    name: str
    label: str
    doc: str
    formula: str
    source: str
    oracle: str
    channels: int
    params: int

    @property
    def size(self) -> str:
        """The parameters, with the channel count where it is not the usual one."""
        return f"{self.params:,}" + (f" (C={self.channels})" if self.channels != USUAL_CHANNELS[0] else "")


def entries() -> list[Entry]:
    """Every published block, in the order of their names."""
    return [_entry(name) for name in published()]


def _entry(name: str) -> Entry:
    about = read_spec(name)
    channels = usual_channels(about.block)
    params = sum(p.numel() for p in build(about.block, channels).parameters())
    texts = (about.doc or "", about.formula or "", about.source or "", about.oracle or "")
    return Entry(name, about.block.label(), *texts, channels, params)


def markdown() -> str:
    """The catalogue as a page, as `attnspace list --markdown` prints it."""
    rows = [
        f"| {' | '.join(map(_cell, (_link(entry.name), entry.doc, entry.formula, entry.size, entry.oracle)))} |"
        for entry in entries()
    ]
    return "\n".join([HEAD.format(many=len(rows)), *rows, ""])


def _link(name: str) -> str:
    return f"[`{name}`]({name}.json)"


def _cell(text: str) -> str:
    """Escape the bars of a text, which would end its cell."""
    return text.replace("|", "\\|")


HEAD = """\
# The published blocks

{many} blocks and dialects, each a JSON file in this folder, made of the primitives that `attnspace list` prints.
Written by `attnspace list --markdown`; a test keeps it current.

**Verified** means: with copied weights the module equals each oracle named in its row. In float64, forward, input
gradient, parameter gradients and running statistics agree to 1e-12, in training and evaluation, over several channel
counts (8, 24, 64 and 320 where the block is possible), on square and other sizes, with ties, with weights moved off
their initial values, and at batch 1 where the block can train on it. In float32 they agree to 1e-6, or to within 20
times what float32 does to the oracle itself. An oracle is a module of another library, or `formula`: the paper's
equation written out in plain torch, apart from attnspace's code, in `tests/oracles/formulas.py`: it checks the code,
not how the paper was read.
`python -m tests.benchmarks.parity` prints how far each is.

In the formulas x is the map, · the product with a gate, μ the mean over H and W (μ_W, μ_H over one of them, mean_C
over the channels), σ the sigmoid, hσ the hard one, W a linear map on the channels, MLP two of them with ReLU between;
M, L, G, f and T name the excitations and parts that the sentence before describes. In a label, `fc/16` is a bottleneck
of C // 16, `>=8` at least 8, `~` rounded to the nearest (`~~`: and never a tenth below), `_8` to a multiple of 8.

| name | what it is | formula | parameters at C=64 | verified against |
|---|---|---|---|---|"""
