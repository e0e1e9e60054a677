import pytest

from tests.random_designs import check, design


@pytest.mark.parametrize("seed", range(150))
def test_any_design_builds_keeps_its_shape_trains_and_is_exported(seed):
    """Five thousand of them: python -m tests.benchmarks.language."""
    check(design(seed))
