"""What the command line prints: tables and trees."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from attnspace.space.template import Hole, Interval, Visitor, parameters

if TYPE_CHECKING:
    from attnspace.analysis.verdict import Confirmation
    from attnspace.placement.slots import Slot
    from attnspace.primitives import Block
    from attnspace.record.results import Results
    from attnspace.space.space import Space

__all__ = [
    "block_tree",
    "catalogue_table",
    "confirmation_table",
    "fillings",
    "primitives_table",
    "slots_table",
    "space_tree",
    "summary_table",
    "terminal",
]


def terminal() -> Console:
    """The console that output goes to, 160 characters wide if it is no terminal."""
    console = Console()
    if not console.is_terminal:
        columns = os.environ.get("COLUMNS", "")
        console.width = int(columns) if columns.isdecimal() else 160
    return console


def catalogue_table() -> Table:
    """The table of the published blocks."""
    from attnspace.language.catalogue import entries

    table = Table("name", "label", "parameters at C=64", "source", box=None, header_style="bold", pad_edge=False)
    table.columns[2].justify = "right"
    for entry in entries():
        table.add_row(entry.name, escape(entry.label), entry.size, escape(entry.source))
    return table


def slots_table(slots: Sequence[Slot]) -> Table:
    """What stands at each position in each stage: how many slots, their channels, and the resolution of the maps."""
    stages = sorted({slot.stage for slot in slots})
    headings = (f"stage {stage}" for stage in stages)
    table = Table("position", *headings, box=None, header_style="bold", pad_edge=False)
    for position in dict.fromkeys(slot.position for slot in slots):
        cells = []
        for stage in stages:
            here = [slot for slot in slots if (slot.position, slot.stage) == (position, stage)]
            sizes = dict.fromkeys((slot.channels, *slot.resolution) for slot in here)
            shapes = ", ".join(f"{channels}x{height}x{width}" for channels, height, width in sizes)
            cells.append(f"{len(here)} of {shapes}" if here else "")
        table.add_row(position, *cells)
    return table


def primitives_table() -> list[Any]:
    """Every family with its members and their fields."""
    from attnspace.primitives.node import families

    lines: list[Any] = []
    for family, base in families().items():
        lines.append(f"\n[bold]{family}[/bold]: {escape((base.__doc__ or '').splitlines()[0])}")
        for kind, member in sorted(base.members.items()):
            lines.append(f"  {kind:<14} {escape((member.__doc__ or '').splitlines()[0])}")
            fields = [_field(name, about) for name, about in member.model_fields.items() if name != "kind"]
            if fields:
                lines.append(f"  {'':<14} [dim]{escape(', '.join(fields))}[/dim]")
    return lines


def _field(name: str, about: Any) -> str:
    """`merge: logit_sum | gate_sum = logit_sum`: choices where there are few words, and the default."""
    from pydantic_core import to_jsonable_python

    words = [str(word) for word in get_args(about.annotation) if isinstance(word, str | int)]
    choices = f": {' | '.join(words)}" if len(words) > 1 else ""
    if about.is_required():
        return f"{name}{choices}"
    default = to_jsonable_python(about.default)
    return f"{name}{choices} = {default if isinstance(default, str) else json.dumps(default)}"


def summary_table(results: Results) -> Table:
    """The table of the best designs of a run and its baselines."""
    from attnspace.analysis.verdict import confirmation
    from attnspace.costs.measured import declared
    from attnspace.objective.metrics import METRICS
    from attnspace.record.evaluation import Role
    from attnspace.report.compute import leaderboard, level_note, shown_costs, summary

    board = leaderboard(results)
    costs = list({cost.name: cost for cost in (declared()["params"], *shown_costs(results))}.values())
    metric = METRICS[results.metric]
    is_known = bool(board["estimate_low"].notna().any())
    measured = (results.metric, *(["95% interval"] if is_known else []), "seeds", "gain")
    columns = ("#", "block", "placement", *measured, *(cost.figure.heading for cost in costs))
    table = Table(*columns, box=None, header_style="bold")
    for column in (0, *range(3, len(columns))):
        table.columns[column].justify = "right"
    best = board[board["role"] == Role.TRIAL].head(5)
    shown = board[board.index.isin(best.index) | (board["role"] == Role.BASELINE)]
    hidden = len(board) - len(shown)
    for _, row in shown.iterrows():
        name = f"{row['name']} (baseline)" if row["role"] == Role.BASELINE else row["label"]
        cells = (
            str(row["rank"]),
            escape(name),
            escape(row["placement"]),
            metric.show(row["estimate"]),
            *([f"{metric.show(row['estimate_low'])} to {metric.show(row['estimate_high'])}"] if is_known else []),
            str(row["seeds"]),
            "" if row["gain"] != row["gain"] else metric.show_gain(row["gain"]),
            *(cost.figure.show(row[cost.name]) for cost in costs),
        )
        table.add_row(*cells, style="red" if row["role"] == Role.BASELINE else None)
    more = f"{hidden} more design{'s are' if hidden > 1 else ' is'} in the report. " if hidden else ""
    confirmed = confirmation(results)
    sentence = confirmed.sentence if confirmed else summary(results).sentence(results.metric)
    level = level_note(board, results.metric)
    table.caption = escape(" ".join(filter(None, (f"{more}{sentence}", level))))
    table.caption_justify = "left"
    return table


def confirmation_table(found: Confirmation) -> Table:
    """The table of every confirmed design, the best first."""
    from attnspace.record.evaluation import Role

    columns = ("design", "n", "test accuracy, %", found.interval, "sd", "parameters", "added")
    table = Table(*columns, box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for _, row in found.designs.iterrows():
        role = f" ({row['role']})" if row["role"] != Role.TRIAL else ""
        table.add_row(
            escape(f"{row['name']}{role}"),
            str(row["n"]),
            f"{100 * row['mean']:.2f}",
            "" if row["low"] != row["low"] else f"{100 * row['low']:.2f} to {100 * row['high']:.2f}",
            f"{100 * row['sd']:.2f}",
            f"{int(row['params']):,}",
            "" if math.isnan(row["params_added"]) else f"{int(row['params_added']):+,}",
            style={Role.BASELINE: "red", Role.CONTROL: "magenta"}.get(row["role"]),
        )
    return table


def space_tree(space: Space, name: str) -> Tree:
    """A space: every hole with its options, and how many fillings each of them stands for."""
    root = Tree(f"[bold]{escape(name)}[/bold]  {fillings(space.size())}")
    _Grower(root)(space.template)
    return root


def fillings(number: float) -> str:
    """A number of fillings in words, exact up to twelve digits."""
    if number == math.inf:
        return "endlessly many fillings"
    many = f"{number:,}" if number < 10**12 else f"about 10^{int(math.log10(number))}"
    return f"{many} filling{'' if number == 1 else 's'}"


class _Grower(Visitor):
    """Hangs every hole below a branch of a printed tree, and what lies inside its options below the hole."""

    def __init__(self, branch: Tree) -> None:
        self.branch = branch

    def hole(self, node: Hole) -> None:
        deep = [bool(parameters(option)) for option in node.options]
        options = list(zip(node.labels, node.options, deep, strict=True))
        if node.integers:
            flat = f"{node.integers[0]} to {node.integers[1]}"
        else:
            flat = " | ".join("null" if label is None else str(label) for label, _, is_deep in options if not is_deep)
        nested = f", {fillings(node.count)}" if any(deep) else ""
        title = f"{node.name}: {flat}" if flat else f"{node.name}: one of {len(options)}"
        below = self.branch.add(escape(f"{title}{nested}"))
        for label, option, is_deep in options:
            if is_deep:
                _Grower(below.add(escape(f"[{label}] {fillings(option.count)}")))(option)

    def interval(self, node: Interval) -> None:
        scale = ", logarithmic" if node.log else ""
        self.branch.add(f"{escape(node.name)}: {node.low:g} to {node.high:g}{scale}")


def block_tree(block: Block, name: str) -> Tree:
    """The tree of a block with all its fields."""
    root = Tree(f"[bold]{escape(name)}[/bold]  {escape(block.label())}")
    _branch(root, block)
    return root


def _branch(tree: Tree, node: Any) -> None:
    for field in type(node).model_fields:
        value = getattr(node, field)
        if field != "kind" and value not in ((), None):
            _grow(tree, field, value)


def _grow(tree: Tree, name: str, value: Any) -> None:
    """Add a field to the tree: a branch of its own if there is more inside, else one line."""
    from pydantic import BaseModel

    from attnspace.primitives import Branch, Statistic
    from attnspace.primitives.node import Node
    from attnspace.primitives.reduction import Reduction
    from attnspace.primitives.width import width_label

    if isinstance(value, Node) and not value.shorthand:
        _branch(tree.add(f"{name}: [bold]{value.kind}[/bold]"), value)
    elif isinstance(value, Branch):
        _branch(tree.add(f"{name}:"), value)
    elif isinstance(value, tuple) and value and not isinstance(value[0], int | Statistic):
        inner = tree.add(name)
        for number, item in enumerate(value, start=1):
            _grow(inner, str(number), item)
    elif value == ():
        tree.add(f"{name}: nothing")
    elif isinstance(value, tuple):
        tree.add(escape(f"{name}: {', '.join(str(item) if isinstance(item, int) else item.label() for item in value)}"))
    else:
        text = value.model_dump_json() if isinstance(value, BaseModel) else value
        tree.add(escape(f"{name}: {width_label(value) if isinstance(value, Reduction) else text}"))
