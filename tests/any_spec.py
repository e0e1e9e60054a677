"""Random specs over the whole language, not only what `$any` offers; many are not possible, and say so."""

import random
from typing import Any, get_args

from attnspace.modules.words import Activation

FUNCTIONS = get_args(Activation)
REGIONS = ("global", "channel", "directional", "none")


def any_spec(seed: int) -> dict[str, Any]:
    """A block spec that parses or is a SpecError."""
    return _Writer(random.Random(seed)).block(0)


class _Writer:
    def __init__(self, rng: random.Random) -> None:
        self.pick = rng.choice
        self.rng = rng

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def stat(self, region: str) -> Any:
        dialects = [{"kind": "std", "eps": 0}, {"kind": "l2", "eps": 0}, {"kind": "lse", "sharpness": 9.0}]
        stats = ["avg", "max", "amax", "std", "l1", "l2", "lse", *dialects, {"kind": "std", "unbiased": True}]
        stats += ["attention"] if region != "channel" else []
        stats += [{"kind": "dct", "frequencies": [[0, 1]]}] if region == "global" else []
        return self.pick(stats)

    def squeeze(self, region: str) -> dict:
        if region == "none":
            return {"kind": "none"}
        stats: list = []
        for stat in (self.stat(region) for _ in range(self.pick([1, 1, 2, 3]))):
            stats += [stat] if stat not in stats else []
        combine = {"combine": self.pick(["shared", "stack", "sum", "mean"])} if self.chance(0.7) else {}
        return {"kind": region, "stats": stats, **combine}

    def width(self) -> Any:
        return self.pick(["C", "C", 1, 2, {"ratio": 2}, {"ratio": 0.5}, {"ratio": 4, "minimum": 1}, 4])

    def layer(self, region: str, depth: int = 0) -> dict:
        kind = self.pick(
            ["fc", "project", "norm", "act", "affine", "conv2d", "conv1d", "standardize", *(["branches"] * (depth < 2))]
        )
        fields = getattr(self, f"_{kind}")(region, depth)
        return {"kind": kind, **fields}

    def _fc(self, region: str, depth: int) -> dict:
        return {
            "reduction": self.pick([1, 2, 0.5, {"ratio": 4, "minimum": 1}]),
            "bias": self.chance(0.5),
            "norm": self.pick([None, "batch", "layer"]),
            "act": self.pick(FUNCTIONS),
            "zero_init": self.pick([None, None, "all", "weight"]),
        }

    def _sharing(self) -> dict:
        return {"sharing": self.pick(["joint", "shared", "separate"])} if self.chance(0.5) else {}

    def _project(self, region: str, depth: int) -> dict:
        return {"out": self.width(), "bias": self.chance(0.5), **self._sharing()}

    def _norm(self, region: str, depth: int) -> dict:
        types = [{"type": "batch"}, {"type": "layer"}, *({"type": "group", "groups": g} for g in (None, 1, 2, "each"))]
        return {**self.pick(types), **self._sharing()}

    def _act(self, region: str, depth: int) -> dict:
        return {"fn": self.pick(FUNCTIONS)}

    def _affine(self, region: str, depth: int) -> dict:
        sharing = self.pick(["shared", "separate"])
        return {"scale": self.pick([0, 1, 2.5]), "shift": self.pick([None, 0, 1]), "sharing": sharing}

    def _conv2d(self, region: str, depth: int) -> dict:
        kernel = self.pick([1, 3, 5, [1, 3], [3, 1], [1, 1]])
        fields = {"kernel": kernel, "dilation": self.pick([1, 1, 2]), "bias": self.chance(0.5)}
        if self.chance(0.4):
            return {**fields, "depthwise": True}
        return {**fields, "groups": self.pick([1, 1, 2, 4]), "out": self.pick([None, self.width()])}

    def _conv1d(self, region: str, depth: int) -> dict:
        return {
            "kernel": self.pick([1, 3, "adaptive"]),
            "padding": self.pick(["zeros", "zeros", "circular"]),
            "bias": self.chance(0.5),
            "filters": self.pick([1, 1, 2]),
            "depthwise": self.chance(0.5),
            "sharing": self.pick(["shared", "separate"]),
        }

    def _standardize(self, region: str, depth: int) -> dict:
        return {"by": self.pick(["std", "rms", "mean_abs"]), "groups": self.pick([1, 1, 2])}

    def _branches(self, region: str, depth: int) -> dict:
        lengths = [self.pick([0, 1, 2]) for _ in range(self.pick([1, 2, 3]))]
        lists = [[self.layer(region, depth + 1) for _ in range(length)] for length in lengths]
        return {"branches": lists, "merge": self.pick(["sum", "mean", "max", "product", "stack"])}

    def layers(self, region: str) -> list[dict]:
        end = [{"kind": "project", "out": self.pick(["C", 1])}] if self.chance(0.5) else []
        return [self.layer(region) for _ in range(self.pick([0, 1, 2, 3]))] + end

    def gate(self) -> dict:
        gate: dict[str, Any] = {"kind": "gate"}
        region = self.pick(REGIONS)
        if self.chance(0.75):
            gate |= {"squeeze": self.squeeze(region), "excite": self.layers(region)}
        else:
            regions = [self.pick(REGIONS) for _ in range(self.pick([1, 2, 3]))]
            gate["branches"] = [{"squeeze": self.squeeze(r), "excite": self.layers(r)} for r in regions]
            region = "none"
        merges = ["logit_sum", "logit_product", "gate_product", "gate_sum", "gate_mean", "gate_max"]
        gate["merge"] = self.pick(merges)
        if gate["merge"].startswith("logit") and self.chance(0.3):
            gate["tail"] = self.layers("none" if region == "directional" else region)
        gate["activation"] = self.pick([*FUNCTIONS, "sigmoid", "identity", "softmax", "softmax"])
        return {**gate, "apply": "add"} if self.chance(0.2) else gate

    def blocks(self, depth: int) -> list[dict]:
        return [self.block(depth + 1) for _ in range(self.pick([1, 2, 3]))]

    def block(self, depth: int) -> dict[str, Any]:
        leaves = {
            "identity": dict,
            "simam": dict,
            "sge": lambda: {"groups": self.pick([1, 2])},
            "layers": lambda: {"layers": [self.layer("none"), *self.layers("none")]},
            "gather_excite": lambda: {"extent": self.pick([2, 4]), "gather": self.pick(["avg", "conv"])},
        }
        composed = {
            "sequential": lambda: {"blocks": self.blocks(depth)},
            "parallel": lambda: {"blocks": self.blocks(depth), "merge": self.pick(["sum", "mean", "max"])},
            "residual": lambda: {"block": self.block(depth + 1)},
            "swap": lambda: {"axis": self.pick("HW"), "block": self.block(depth + 1)},
            "split": lambda: self._split(depth),
            "select": self._select,
        }
        makers = leaves | composed if depth < 3 else leaves
        kind = self.pick(["gate"] * 6 + list(makers))
        return self.gate() if kind == "gate" else {"kind": kind, **makers[kind]()}

    def _split(self, depth: int) -> dict:
        return {"groups": self.pick([1, 2]), "blocks": self.blocks(depth), "shuffle": self.pick([1, 2, 4])}

    def _select(self) -> dict:
        end = [{"kind": "project"}] if self.chance(0.6) else []
        return {
            "stem": self.layers("none") if self.chance(0.4) else [],
            "branches": [[*self.layers("none"), *end] for _ in range(2)],
            "excite": self.layers("global"),
            "bias": self.chance(0.5),
        }
