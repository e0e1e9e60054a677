"""Every published block under autocast and in channels_last: is anything not finite, how far from float32?

python -m tests.benchmarks.precision [--device cuda]
"""

import argparse
import json
from pathlib import Path

import torch

from attnspace import build
from attnspace.language.catalogue import entries
from tests.benchmarks.machine import machine

SCALE = 30
"""Standard deviation of the maps: as large as deep networks have them."""


def passes(name: str, channels: int, device: str, dtype: torch.dtype) -> dict:
    """One training step in float32 and one under autocast, with the same weights and input."""
    torch.manual_seed(0)
    module = build(name, channels).to(device).to(memory_format=torch.channels_last)
    x = SCALE * torch.randn(8, channels, 28, 28, device=device).to(memory_format=torch.channels_last)
    outcomes = []
    for enabled in (False, True):
        given = x.clone().requires_grad_()
        module.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=dtype, enabled=enabled):
            out = module(given)
        out.float().square().mean().backward()
        outcomes.append((out.detach().float(), given.grad, [p.grad for p in module.parameters()]))
    (plain, grad, _), (out, grad2, grads) = outcomes
    return {
        "finite": all(torch.isfinite(t).all().item() for t in (out, grad2, *grads)),
        "forward": ((out - plain).abs().max() / plain.abs().max()).item(),
        "input gradient": ((grad2 - grad).abs().max() / grad.abs().max()).item(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    device = parser.parse_args().device
    rows = [
        {
            "block": entry.name,
            "dtype": str(dtype).removeprefix("torch."),
            **passes(entry.name, entry.channels, device, dtype),
        }
        for entry in entries()
        for dtype in (torch.bfloat16, torch.float16)
    ]
    for dtype in ("bfloat16", "float16"):
        of = [row for row in rows if row["dtype"] == dtype]
        broken = [row["block"] for row in of if not row["finite"]]
        farthest = max(of, key=lambda row: row["forward"])
        print(
            f"{dtype} on {device}: {len(of)} blocks, not finite: {', '.join(broken) or 'none'}; "
            f"farthest from float32: {farthest['block']}, {farthest['forward']:.1e} of the largest value"
        )
    out = Path(__file__).parent / "results" / f"precision-{device}.json"
    out.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
