"""Small spaces that the tests of this folder have in common."""

GATE = {
    "kind": "gate",
    "squeeze": {"kind": "global", "stats": {"$subset": ["avg", "max"]}},
    "excite": [
        {
            "$choice": [
                {"kind": "fc", "reduction": {"$choice": [4, 8]}},
                {"kind": "conv1d", "kernel": {"$choice": [3, 5, 7]}},
                {"kind": "project", "bias": {"$choice": [True, False]}},
            ]
        }
    ],
}
"""A choice with holes inside each option, and a list of statistics."""

REPEATED = {"blocks": [{"kind": "identity"}, {"$repeat": {"of": {"k": {"$choice": [3, 5, 7]}}, "min": 0, "max": 2}}]}
"""None to two more items in a list, each with a hole of its own."""

NUMBERS = {
    "a": {"$float": [1e-3, 1e1], "log": True},
    "b": [{"$float": [0, 2]}, {"$choice": [{"c": {"$int": [1, 3]}}, None]}],
}
"""Numbers on both scales, one of them beside a choice between a mapping and nothing."""

SPACES = {
    "gate": GATE,
    "repeated": REPEATED,
    "numbers": NUMBERS,
    "any": {"$any": "block"},
    "fixed": {"a": [1, {"b": 2}]},
}
"""Every form of data that a template is made of."""
