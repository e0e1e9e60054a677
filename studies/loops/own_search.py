"""No study at all: your model, your data, your Optuna study; attnspace suggests designs and puts them in place.

python studies/loops/own_search.py
"""

import optuna
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

import attnspace

SPACE = attnspace.load_space(
    {
        "block": {
            "$choice": [
                {
                    "kind": "gate",
                    "squeeze": {"kind": "global", "stats": ["avg"]},
                    "excite": [{"kind": "fc", "reduction": {"$choice": [2, 4]}}],
                },
                {"$published": "cbam-timm"},
                {"kind": "identity"},
            ]
        },
        "placement": {"position": "after_act", "stages": {"$subset": [1, 2]}},
    }
)


def network():
    """Any nn.Module; `add_sites` opens slots after the modules that match."""
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip
    return attnspace.add_sites(model, {"after_act": {"type": "ReLU"}}, input_shape=(1, 8, 8))


def accuracy(model, images, labels, epochs=3):
    """Train on most of the digits, and count on the rest."""
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    for _ in range(epochs):
        for rows in torch.randperm(1_300).split(64):
            loss = F.cross_entropy(model(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        return (model(images[1_300:]).argmax(1) == labels[1_300:]).float().mean().item()


def main(trials=6):
    """A search of a few seconds."""
    digits = load_digits()
    images, labels = torch.tensor(digits.images[:, None] / 8 - 1).float(), torch.tensor(digits.target)

    def objective(trial):
        torch.manual_seed(0)
        design = SPACE.suggest(trial).data
        model = network()
        where = attnspace.Placement(**design["placement"])
        attnspace.insert(model, attnspace.plan(attnspace.slots(model, (1, 8, 8)), where, design["block"]), (1, 8, 8))
        return accuracy(model, images, labels)

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=trials)
    return study


if __name__ == "__main__":
    print(main().best_params)
