"""Searches in tests: stopped ones, and what must be the same again."""

from attnspace.search.progress import Watcher

SECONDS = ("train_s", "total_s", "finished", "worker")


class StopAfter(Watcher):
    """Ctrl-C while the epoch after the n-th is running."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.left = epochs

    def epoch_ends(self, job, epoch) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1


def facts(rows):
    """What must be the same again."""
    return [{k: v for k, v in vars(row).items() if k not in SECONDS} for row in rows]
