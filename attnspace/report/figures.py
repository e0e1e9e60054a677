"""Frames into plotly figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd
import plotly.graph_objects as go

from attnspace.analysis.importance import Importance
from attnspace.analysis.verdict import Confirmation
from attnspace.costs.declaration import DesignCost
from attnspace.costs.measured import declared
from attnspace.objective.metrics import METRICS, Metric
from attnspace.objective.robust import outside
from attnspace.record.evaluation import Role
from attnspace.record.results import Results
from attnspace.report.compute import burden, curves, edf, front, leaderboard

__all__ = [
    "confirmation_figure",
    "curves_figure",
    "edf_figure",
    "effects_figure",
    "front_figure",
    "hypervolume_figure",
    "shares_figure",
]

TRIAL, BASELINE, CONTROL, FRONT = "#3d6fb6", "#c8553d", "#8a5a83", "#8a8a8a"
PALETTE = ("#c8553d", "#e09f3e", "#8a5a83", "#5a5a5a", "#a98467", "#d4a5a5", "#6d597a")


def title(metric: str) -> str:
    """A metric or cost in words; its name where it is not declared here."""
    known: Mapping[str, Metric | DesignCost] = {**METRICS, **declared()}
    return known[metric].title if metric in known else metric


def front_figure(results: Results) -> go.Figure:
    """Metric against parameters on a logarithmic axis: trials, baselines and the Pareto front."""
    board = front(results)
    cost = burden(results)
    is_added = not cost.timed and board[f"{cost.name}_added"].notna().all()
    figure = _figure(f"{cost.title}{' added to the plain backbone' if is_added else ''}", title(results.metric))
    figure.update_xaxes(type="log", dtick=1)
    on_front = board[board["pareto"]]
    figure.add_scatter(
        x=on_front["size"],
        y=on_front["shown"],
        mode="lines",
        name="Pareto front",
        line={"color": FRONT, "shape": "hv" if results.direction == "maximize" else "vh", "dash": "dot"},
        hoverinfo="skip",
    )
    for role, colour, symbol in ((Role.TRIAL, TRIAL, "circle"), (Role.BASELINE, BASELINE, "diamond")):
        part = board[(board["role"] == role) & ~board["outside"]]
        figure.add_scatter(
            x=part["size"],
            y=part["shown"],
            mode="markers+text" if role == Role.BASELINE else "markers",
            name=f"{role}s",
            text=part["name"],
            textposition="bottom center",
            marker={"color": colour, "symbol": symbol, "size": 9, "opacity": 0.8},
            customdata=[[*row] for row in part[["rank", "label", "placement", "params"]].itertuples(index=False)],
            hovertemplate="#%{customdata[0]} %{customdata[1]}<br>%{customdata[2]}"
            "<br>%{customdata[3]:,} parameters, %{y:.4f}<extra></extra>",
        )
    far = board[board["outside"]]
    told = [f"#{row['rank']} {row['name'] or row['label']}: {row['estimate']:.4g}" for _, row in far.iterrows()]
    _mark_outside(figure, results, far["size"], far["shown"], told)
    return figure


def curves_figure(results: Results) -> go.Figure:
    """Learning curves of the baselines (dashed) and the best trials."""
    table = curves(results)
    figure = _figure("epoch", title(results.metric))
    blues = ("#12407a", "#2f6db5", "#5b93d2", "#8bb6e5", "#b6d2f0")
    seen = {Role.TRIAL: 0, Role.BASELINE: 0}
    for name, part in table.groupby("curve", sort=False):
        role = Role(part["role"].iloc[0])
        colours = blues if role == Role.TRIAL else PALETTE
        colour = colours[seen[role] % len(colours)]
        seen[role] += 1
        figure.add_scatter(
            x=part["epoch"],
            y=part["value"],
            mode="lines",
            name=_short(str(name)),
            line={"color": colour, "width": 2, "dash": "solid" if role == Role.TRIAL else "dash"},
        )
    zoomed = _zoomed(table, 1.0 if results.direction == "maximize" else -1.0)
    figure.update_yaxes(range=zoomed)
    if zoomed is not None:
        edge = zoomed[0] if results.direction == "maximize" else zoomed[1]
        ends = table.groupby("curve", sort=False).tail(1)
        far = ends[~ends["value"].between(zoomed[0], zoomed[1])]
        told = [f"{name}: {value:.4g}" for name, value in zip(far["curve"], far["value"], strict=True)]
        _mark_outside(figure, results, far["epoch"], [edge] * len(far), told)
    return figure


def edf_figure(results: Results) -> go.Figure:
    """Share of the space's designs that are no better than a value; baselines as vertical lines."""
    table = edf(results)
    figure = _figure(title(results.metric), "share of designs no better")
    figure.add_scatter(
        x=table["value"],
        y=table["share"],
        mode="lines",
        name="trials",
        line={"color": TRIAL, "shape": "hv", "width": 2},
    )
    far = table[table["outside"]].tail(1)
    _mark_outside(figure, results, far["value"], far["share"], [f"{int(table['outside'].sum())} designs"] * len(far))
    board = leaderboard(results)
    baselines = board[board["role"] == Role.BASELINE]
    for i, (_, row) in enumerate(baselines.iterrows()):
        value = row["estimate"]
        figure.add_scatter(
            x=[row["shown"], row["shown"]],
            y=[0, 1],
            mode="lines",
            name=f"{row['name']} {value:.4f}",
            line={"color": PALETTE[i % len(PALETTE)], "dash": "dash", "width": 1.5},
        )
    figure.update_yaxes(range=[0, 1.02])
    return figure


def hypervolume_figure(table: pd.DataFrame) -> go.Figure:
    """Share of the dominated box against the epochs that were trained."""
    figure = _figure("training epochs", "dominated share")
    figure.add_scatter(
        x=table["epochs"], y=table["share"], mode="lines", line={"color": TRIAL, "shape": "hv", "width": 2}
    )
    figure.update_yaxes(range=[0, 1.02])
    return figure


def confirmation_figure(found: Confirmation) -> go.Figure:
    """Mean test accuracy of each confirmed design with its 95% interval, and every seed as a dot."""
    figure = _figure("test accuracy, %", "")
    colours = {Role.TRIAL: TRIAL, Role.BASELINE: BASELINE, Role.CONTROL: CONTROL}
    for _, row in found.designs.iloc[::-1].iterrows():
        name, colour = str(row["name"]), colours[Role(row["role"])]
        scores = 100 * found.scores[row["name"]].dropna()
        figure.add_scatter(
            x=scores,
            y=[name] * len(scores),
            mode="markers",
            marker={"color": colour, "size": 6, "opacity": 0.35},
            hovertext=[f"seed {seed}" for seed in scores.index],
            showlegend=False,
        )
        figure.add_scatter(
            x=[100 * row["mean"]],
            y=[name],
            mode="markers",
            marker={"color": colour, "size": 10, "symbol": "diamond"},
            error_x=None
            if row["low"] != row["low"]  # no interval is claimed
            else {
                "type": "data",
                "symmetric": False,
                "array": [100 * (row["high"] - row["mean"])],
                "arrayminus": [100 * (row["mean"] - row["low"])],
            },
            showlegend=False,
        )
    figure.update_layout(height=120 + 34 * len(found.designs))
    return _with_rows(figure, found.designs["name"], 60)


def shares_figure(table: pd.DataFrame, top: int = 12) -> go.Figure:
    """How much each hole decides, by both methods, with 90% intervals."""
    table = table.head(top).iloc[::-1]
    figure = _figure("share", "")
    for method, name, colour in (("ped_anova", "PED-ANOVA", FRONT), ("forest", "random forest", TRIAL)):
        figure.add_bar(
            x=table[method],
            y=table["hole"],
            orientation="h",
            name=name,
            marker={"color": colour},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": (table[f"{method}_high"] - table[method]).clip(lower=0),
                "arrayminus": (table[method] - table[f"{method}_low"]).clip(lower=0),
                "thickness": 1,
            },
        )
    figure.update_layout(barmode="group", height=120 + 36 * len(table), legend={"traceorder": "reversed"})
    return _with_rows(figure, table["hole"], 48)


def effects_figure(found: Importance, metric: str, top: int = 6) -> go.Figure:
    """The effect of each option of the holes that matter most, with 90% intervals."""
    chosen = [*found.holes["hole"].head(top)][::-1]
    figure = _figure(f"effect on {title(metric)}, to the right is better", "")
    rows: list[str] = []
    for number, hole in enumerate(chosen):
        part = found.effects[found.effects["hole"] == hole].iloc[::-1]
        names = [f"{hole} = {option}" for option in part["option"]]
        rows += names
        figure.add_scatter(
            x=part["effect"],
            y=names,
            mode="markers",
            marker={"color": PALETTE[number % len(PALETTE)], "size": 9},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": part["high"] - part["effect"],
                "arrayminus": part["effect"] - part["low"],
                "thickness": 1,
            },
            hovertext=[f"{n} designs" for n in part["n"]],
            showlegend=False,
        )
    figure.add_vline(x=0, line={"color": FRONT, "width": 1})
    figure.update_layout(height=120 + 24 * len(rows))
    return _with_rows(figure, rows, 60)


def _figure(x: str, y: str) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        template="plotly_white",
        height=430,
        margin={"l": 60, "r": 20, "t": 20, "b": 50},
        font={"family": "system-ui, sans-serif", "size": 13},
        legend={"x": 1.01, "y": 1, "font": {"size": 11}},
        xaxis_title=x,
        yaxis_title=y,
    )
    return figure


def _with_rows(figure: go.Figure, names: Iterable[str], limit: int) -> go.Figure:
    """The figure with short names at its rows, which go by their whole names: short ones that are alike stay apart."""
    rows = list(names)
    return figure.update_yaxes(tickmode="array", tickvals=rows, ticktext=[_short(str(name), limit) for name in rows])


def _short(name: str, limit: int = 34) -> str:
    """A name without its middle, if it is too long: designs of one block differ at the end, by where they stand."""
    if len(name) <= limit:
        return name
    tail = limit // 2
    return f"{name[: limit - 1 - tail]}…{name[-tail:]}"


def _mark_outside(figure: go.Figure, results: Results, x: Iterable[float], y: Iterable[float], told: list[str]) -> None:
    """Mark what lies outside by triangles that point to where it is, and say so when the mouse is on them."""
    if told:
        way = "down" if results.direction == "maximize" else "up"
        figure.add_scatter(
            x=list(x),
            y=list(y),
            mode="markers",
            name="outside",
            cliponaxis=False,
            marker={"color": FRONT, "symbol": f"triangle-{way}", "size": 11},
            hovertext=told,
            hoverinfo="text",
        )


def _zoomed(table: pd.DataFrame, sign: float) -> list[float] | None:
    """The range of values in the later half of the epochs: the first ones would flatten everything that matters, as
    would values that lie outside.
    """
    late = table.loc[table["epoch"] > table["epoch"].max() / 2, "value"].astype(float)
    late = late[~outside(late.to_numpy(), sign)]
    if late.empty:
        return None
    margin = max(1e-6, 0.08 * float(late.max() - late.min()))
    return [float(late.min()) - margin, float(late.max()) + margin]
