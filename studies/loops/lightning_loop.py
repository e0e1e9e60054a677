"""The same with Lightning: the Trainer fits, a callback tells the report of every epoch.

pip install lightning, and in the study: `train: {import: lightning_loop.py:train, epochs: 5}`
"""

import lightning
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class Classifier(lightning.LightningModule):
    """Any LightningModule; `model` comes with the block in place."""

    def __init__(self, model, lr):
        super().__init__()
        self.model, self.lr = model, lr

    def training_step(self, batch, index):
        images, labels = batch
        return F.cross_entropy(self.model(images), labels)

    def validation_step(self, batch, index):
        images, labels = batch
        logits = self.model(images)
        self.log("val_loss", F.cross_entropy(logits, labels))
        self.log("val_accuracy", (logits.argmax(1) == labels).float().mean())

    def test_step(self, batch, index):
        images, labels = batch
        logits = self.model(images)
        self.log("test_loss", F.cross_entropy(logits, labels))
        self.log("test_accuracy", (logits.argmax(1) == labels).float().mean())

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), self.lr)


class Tell(lightning.Callback):
    """Passes the metrics of every epoch on to attnspace."""

    def __init__(self, report):
        self.report = report

    def on_train_epoch_end(self, trainer, module):
        found = trainer.callback_metrics
        self.report(val_loss=found["val_loss"], val_accuracy=found["val_accuracy"])


def train(model, report, lr=0.01, batch_size=50):
    """Train `model` and return the metrics of the last epoch."""
    lightning.seed_everything(report.seed, verbose=False)
    trainer = lightning.Trainer(
        max_epochs=report.epochs,
        accelerator="gpu" if report.device.type == "cuda" else "cpu",
        devices=[report.device.index] if report.device.type == "cuda" else 1,
        callbacks=[Tell(report)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    module = Classifier(model, lr)
    data = report.data
    batches = DataLoader(images_of(data, data.train), batch_size, shuffle=True)
    trainer.fit(module, batches, DataLoader(images_of(data, data.validation), 500))
    metrics = dict(trainer.callback_metrics)
    if report.confirming:  # `attnspace confirm` alone shows the test images
        trainer.test(module, DataLoader(images_of(data, report.test), 500), verbose=False)
        metrics |= trainer.callback_metrics
    return metrics


def images_of(data, split):
    """A split as Lightning likes it."""
    images = split.images if isinstance(split.images, torch.Tensor) else split.images.read()
    return TensorDataset((images.float() - data.mean[:, None, None]) / data.std[:, None, None], split.labels)
