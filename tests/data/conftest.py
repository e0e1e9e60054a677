import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of the test's own; the user's is never touched."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("ATTNSPACE_CACHE", str(folder))
    return folder


@pytest.fixture(autouse=True)
def no_hub(monkeypatch):
    """A hub that cannot be reached, and the calls that were made of it."""
    import huggingface_hub

    calls = []

    class Unreachable:
        def dataset_info(self, repository, **given):
            calls.append(("info", repository, given))
            raise ConnectionError("no route to the hub")

    def nothing_kept(repository, **given):
        calls.append(("snapshot", repository, given))
        raise FileNotFoundError("nothing was kept")

    monkeypatch.setattr(huggingface_hub, "HfApi", Unreachable)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", nothing_kept)
    return calls
