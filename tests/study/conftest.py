import pytest

from attnspace.study import Checkpoints, Ledger, Run, Watcher, search
from attnspace.study.design import Study

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


@pytest.fixture
def run():
    """Searches in a directory, as the command does: the outcome and the rows of the ledger."""

    def runner(study: Study, path, watcher: Watcher | None = None):
        place = Run(path)
        with place.opened(study):
            ledger = Ledger(place.ledger_file)
            try:
                outcome = search(study, ledger, watcher or Watcher(), Checkpoints(place.checkpoint_folder))
                return outcome, ledger.rows()
            finally:
                ledger.close()

    return runner


def facts(rows):
    """What must be the same again."""
    return [{k: v for k, v in vars(row).items() if k not in SECONDS} for row in rows]
