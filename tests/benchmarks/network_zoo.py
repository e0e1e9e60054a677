"""The networks of public packages that `tests.benchmarks.networks` goes through. The packages are optional."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from attnspace import add_sites
from attnspace.backbones.families import open_known
from attnspace.backbones.libraries import imported
from attnspace.costs.inputs import Inputs

__all__ = ["NETWORKS", "Network"]

Slots = Mapping[str, str | Mapping[str, Any]]

CLASSES = 7


@dataclass(frozen=True)
class Network:
    """A network of a package.

    Attributes:
        package: where it comes from.
        name: what it is called there.
        make: builds it, its weights drawn at random.
        size: H and W of its images.
        slots: one pattern, as a user would write it; None where attnspace knows the family.
        channels: of its images.
    """

    package: str
    name: str
    make: Callable[[], nn.Module]
    size: int = 64
    slots: Slots | None = None
    channels: int = 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of its images."""
        return self.channels, self.size, self.size

    def open(self, model: nn.Module) -> nn.Module:
        """The model with slots."""
        if self.slots is None:
            return open_known(model, self.name, Inputs(self.shape))
        return add_sites(model, self.slots, self.shape)


def _timm(name: str, size: int = 64) -> Network:
    return Network("timm", name, lambda: imported("timm").create_model(name, num_classes=CLASSES), size)


def _torchvision(name: str, size: int = 64, slots: Slots | None = None, **options: Any) -> Network:
    def make() -> nn.Module:
        models = imported("torchvision").models
        return models.get_model(name, weights=None, num_classes=CLASSES, **options)

    return Network("torchvision", name, make, size, slots)


def _smp(model: str, encoder: str, slots: Slots) -> Network:
    def make() -> nn.Module:
        imported("timm")  # torchvision has to be found whole
        import segmentation_models_pytorch as smp

        return smp.create_model(model, encoder, encoder_weights=None, classes=CLASSES)

    return Network("segmentation_models_pytorch", f"{model}({encoder})", make, 64, slots)


def _monai(name: str, slots: Slots, colours: int = 1, **options: Any) -> Network:
    def make() -> nn.Module:
        imported("timm")
        from monai.networks import nets

        return getattr(nets, name)(**options)

    return Network("monai", name, make, 64, slots, colours)


def _transformers(name: str, slots: Slots, size: int = 64, **options: Any) -> Network:
    def make() -> nn.Module:
        imported("timm")
        import transformers

        model = getattr(transformers, name)
        return model(model.config_class(num_labels=CLASSES, **options))

    return Network("transformers", name, make, size, slots)


def _ultralytics(name: str, slots: Slots, task: str = "DetectionModel") -> Network:
    def make() -> nn.Module:
        imported("timm")
        from ultralytics.nn import tasks

        return getattr(tasks, task)(f"{name}.yaml", verbose=False)

    return Network("ultralytics", name, make, 64, slots)


TIMM = (
    *("resnet10t", "resnet18", "resnet26d", "seresnet18", "ecaresnet26t", "resnext26ts", "res2net50_26w_4s"),
    *("resnest14d", "skresnet18", "resnetv2_18", "nf_resnet26", "eca_nfnet_l0", "regnetx_002", "regnety_002"),
    *("regnetz_b16", "densenet121", "convnext_atto", "convnextv2_atto", "inception_next_atto", "mambaout_femto"),
    *("efficientnet_b0", "tf_efficientnetv2_b0", "mobilenetv2_035", "mobilenetv3_small_050", "mnasnet_small"),
    *("mobilenetv4_conv_small_035", "fbnetc_100", "tinynet_e", "hardcorenas_a", "rexnet_100", "lcnet_050"),
    *("ghostnet_050", "ghostnetv2_100", "repghostnet_050", "repvgg_a0", "mobileone_s0", "repvit_m0_9", "fastvit_t8"),
    *("vgg11_bn", "dla34", "dla46_c", "hrnet_w18_small", "cspresnet50", "darknet53", "cs3darknet_s", "gernet_s"),
    *("dpn48b", "ese_vovnet19b_dw", "hgnetv2_b0", "starnet_s1", "edgenext_xx_small", "mobilevit_xxs", "poolformer_s12"),
)

NETWORKS: tuple[Network, ...] = (
    *(_timm(name) for name in TIMM),
    _timm("efficientvit_b0"),
    _timm("efficientformerv2_s0", 224),
    _timm("focalnet_tiny_srf"),
    _timm("inception_v3", 128),
    _timm("xception41"),
    _timm("swin_tiny_patch4_window7_224", 224),
    _timm("swinv2_cr_tiny_ns_224", 224),
    *(_torchvision(name) for name in ("resnet18", "resnext50_32x4d", "regnet_x_400mf", "regnet_y_400mf")),
    *(_torchvision(name) for name in ("densenet121", "convnext_tiny", "efficientnet_b0", "efficientnet_v2_s")),
    *(_torchvision(name) for name in ("mobilenet_v2", "mobilenet_v3_small", "mnasnet0_5", "shufflenet_v2_x0_5")),
    *(_torchvision(name) for name in ("squeezenet1_1", "vgg11_bn", "swin_t", "swin_v2_t")),
    _torchvision("googlenet", init_weights=False),
    _torchvision("inception_v3", 299, init_weights=False),
    _torchvision("maxvit_t", 224),
    _torchvision("deeplabv3_mobilenet_v3_large", slots={"residual": "backbone.*.block"}, weights_backbone=None),
    _torchvision("fcn_resnet50", slots={"residual": "backbone.layer*.*.bn3"}, weights_backbone=None),
    _smp("unet", "resnet18", {"residual": "encoder.layer*.*.bn2"}),
    _smp("unetplusplus", "resnet18", {"residual": "encoder.layer*.*.bn2"}),
    _smp("fpn", "resnet18", {"decoder": "decoder.seg_blocks.*"}),
    _smp("linknet", "mobilenet_v2", {"decoder": "decoder.blocks.*"}),
    _smp("deeplabv3plus", "resnet18", {"residual": "encoder.layer*.*.bn2"}),
    _smp("pspnet", "resnet18", {"residual": "encoder.layer[12].*.bn2"}),
    _smp("manet", "resnet18", {"decoder": "decoder.blocks.*"}),
    _monai(
        "UNet",
        {"norm": {"after": "**", "type": "InstanceNorm2d"}},
        **{"spatial_dims": 2, "in_channels": 1, "out_channels": 3, "channels": (16, 32, 64), "strides": (2, 2)},
    ),
    _monai("BasicUNet", {"down": "down_*"}, spatial_dims=2, in_channels=1, out_channels=3, features=(16,) * 6),
    _monai("SegResNet", {"residual": "down_layers.*.*.conv2"}, spatial_dims=2, init_filters=16),
    _monai("DenseNet121", {"layer": "features.denseblock*"}, spatial_dims=2, in_channels=1, out_channels=3),
    _monai("EfficientNetBN", {"residual": "_blocks.*.*._bn2"}, 3, model_name="efficientnet-b0", pretrained=False),
    _transformers("ResNetForImageClassification", {"residual": "resnet.encoder.stages.*.layers.*.layer"}),
    _transformers("RegNetForImageClassification", {"residual": "regnet.encoder.stages.*.layers.*.layer"}),
    _transformers("ConvNextForImageClassification", {"residual": "convnext.encoder.stages.*.layers.*.drop_path"}),
    _transformers("MobileNetV2ForImageClassification", {"residual": "mobilenet_v2.layer.*.reduce_1x1"}),
    _transformers("EfficientNetForImageClassification", {"residual": "efficientnet.encoder.blocks.*.projection"}),
    _transformers("PoolFormerForImageClassification", {"block": "poolformer.encoder.block.*.*.output"}),
    _ultralytics("yolov8n", {"block": {"after": "model.*", "type": "C2f"}}),
    _ultralytics("yolo11n", {"block": {"after": "model.*", "type": "C3k2"}}),
    _ultralytics("yolov8n-cls", {"block": {"after": "model.*", "type": "C2f"}}, "ClassificationModel"),
    _ultralytics("yolov8n-seg", {"block": {"after": "model.*", "type": "C2f"}}, "SegmentationModel"),
)
