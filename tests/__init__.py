import torch

try:
    import torchvision  # noqa: F401
except RuntimeError:  # a CPU build of torch beside a CUDA build of torchvision: two operator schemas are missing
    _library = torch.library.Library("torchvision", "DEF")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
