"""A training loop of your own. attnspace calls it for every design, the block already in place:

attnspace search studies/loops/plain.yaml
"""

import torch
import torch.nn.functional as F


def train(model, report, lr=0.01, batch_size=50):
    """Train `model` and return the metrics of the last epoch."""
    generator = torch.Generator().manual_seed(report.seed)  # the same order of images for every design
    optimizer = torch.optim.AdamW(model.parameters(), lr)
    images, labels = of(report.data.train, report)
    for _ in range(report.epochs):
        model.train()
        for rows in torch.randperm(len(labels), generator=generator).split(batch_size):
            loss = F.cross_entropy(model(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        val_loss, val_accuracy = tested(model, report.data.validation, report)
        report(train_loss=loss.item(), val_loss=val_loss, val_accuracy=val_accuracy)
    metrics = {"val_loss": val_loss, "val_accuracy": val_accuracy}
    if report.confirming:  # `attnspace confirm` alone shows the test images
        metrics["test_loss"], metrics["test_accuracy"] = tested(model, report.test, report)
    return metrics


@torch.no_grad()
def tested(model, split, report):
    """Loss and accuracy on a split."""
    images, labels = of(split, report)
    model.eval()
    logits = model(images)
    return F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).float().mean().item()


def of(split, report):
    """Images, normalised, and labels of a split, on the study's device."""
    images = split.images if isinstance(split.images, torch.Tensor) else split.images.read()
    mean, std = report.data.mean[:, None, None], report.data.std[:, None, None]
    return ((images.float() - mean) / std).to(report.device), split.labels.to(report.device)
