"""What is done to networks after they were made: modules replaced by others."""

from torch import Tensor, nn

__all__ = ["frozen_norms"]


class Frozen(nn.Module):
    """A batch norm that is not trained, as detectors have it."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        self.register_buffer("scale", scale.detach().view(-1, 1, 1))
        self.register_buffer("shift", (norm.bias - norm.running_mean * scale).detach().view(-1, 1, 1))

    def forward(self, x_nchw: Tensor) -> Tensor:
        return x_nchw * self.scale + self.shift


def frozen_norms(model: nn.Module) -> nn.Module:
    """Walk over the modules, as most conversions do, and put frozen norms into the places of torch's batch norms."""
    for name, child in model.named_children():
        if type(child) is nn.BatchNorm2d and child.affine and child.running_mean is not None:
            setattr(model, name, Frozen(child))
        else:
            frozen_norms(child)
    return model
