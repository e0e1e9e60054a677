"""Maps of (N, H, W, C) are told from maps of (N, C, H, W), and blocks see their channels."""

import pytest
import torch
from torch import Tensor, nn

from attnspace import PlacementError, Site, add_sites, build, insert, slots


class Inner(nn.Module):
    """As the blocks of Swin and ConvNeXt: (N, H, W, C) inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.mlp = nn.LayerNorm(width), nn.Sequential(nn.Linear(width, width), nn.GELU())

    def forward(self, x_nhwc: Tensor) -> Tensor:
        return x_nhwc + self.mlp(self.norm(x_nhwc))


class ChannelsLast(nn.Module):
    def __init__(self, width: int = 96, only: int | None = None, site: Site | None = None) -> None:
        super().__init__()
        self.stem, self.block, self.head = nn.Conv2d(3, width, 4, 4), Inner(width), nn.Linear(width, 10)
        self.site = site or nn.Identity()
        self.only = only

    def forward(self, x_nchw: Tensor) -> Tensor:
        if self.only is not None and x_nchw.shape[-1] != self.only:
            raise AssertionError(f"takes images of {self.only}")
        x_nhwc = self.site(self.stem(x_nchw).permute(0, 2, 3, 1))
        return self.head(self.block(x_nhwc).mean((1, 2)))


@pytest.mark.parametrize("shape", [(3, 64, 64), (3, 128, 128), (3, 96, 32)])
@pytest.mark.parametrize("where", [{"residual": "block"}, {"residual": {"before": "block"}}], ids=["after", "before"])
def test_channels_are_those_that_do_not_change_with_the_image(shape, where):
    found = slots(add_sites(ChannelsLast(), where, shape), shape)[0]
    assert (found.channels, found.resolution, found.layout) == (96, (shape[1] // 4, shape[2] // 4), "nhwc")


def test_a_block_sees_the_channels_at_any_size():
    torch.manual_seed(0)
    model = add_sites(ChannelsLast(), {"residual": "block"}, (3, 64, 64))
    seen: dict[str, Tensor] = {}
    model.block.host.register_forward_hook(lambda module, args, out: seen.update(given=out))
    insert(model, {"block.attention": "se"}, (3, 64, 64))
    assert sum(p.numel() for name, p in model.named_parameters() if "attention" in name) == 2 * 96 * 6
    model.block.attention.register_forward_hook(lambda module, args, out: seen.update(gated=out))
    se = build("se", 96)
    se.load_state_dict(model.block.attention.block.state_dict())
    for size in (64, 160):
        model(torch.randn(2, 3, size, size))
        expected = se(seen["given"].permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        torch.testing.assert_close(seen["gated"], expected)


def test_a_network_of_one_size_is_told_by_the_shape_of_its_maps():
    model = add_sites(ChannelsLast(only=64), {"residual": "block"}, (3, 64, 64))
    assert slots(model, (3, 64, 64))[0].channels == 96


def test_a_map_that_could_lie_either_way_is_asked_for():
    shape = (3, 64, 64)
    with pytest.raises(PlacementError) as raised:
        add_sites(ChannelsLast(width=16, only=64), {"residual": "block"}, shape)
    assert str(raised.value) == (
        "slots.residual: which axis of what 'block' returns has the channels cannot be told; got [1, 16, 16, 16]; "
        "allowed: layout: nchw, layout: nhwc; say how the map lies, if it is one"
    )
    said = {"residual": {"after": "block", "layout": "nhwc"}}
    assert slots(add_sites(ChannelsLast(width=16, only=64), said, shape), shape)[0].layout == "nhwc"


def test_a_site_of_the_users_own_says_how_its_map_lies():
    shape = (3, 64, 64)
    with pytest.raises(
        PlacementError, match=r"the map at 'site' is not \(N, C, H, W\): its axis 1 changes with the size"
    ):
        slots(ChannelsLast(site=Site(1, 1, "residual")), shape)
    found = slots(ChannelsLast(site=Site(1, 1, "residual", layout="nhwc")), shape)
    assert [(slot.channels, slot.resolution) for slot in found] == [(96, (16, 16))]


def test_tokens_are_no_map():
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.norm = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8)

        def forward(self, x_nchw: Tensor) -> Tensor:
            return self.norm(self.stem(x_nchw).flatten(2).transpose(1, 2)).mean(1)

    with pytest.raises(PlacementError, match=r"what 'norm' returns is no map of \(N, C, H, W\) or \(N, H, W, C\)"):
        add_sites(Tokens(), {"residual": "norm"}, (3, 32, 32))
