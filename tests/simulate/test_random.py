"""A trial draws the same whatever the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from theorylab.errors import InputError
from theorylab.simulate import ensemble, generator


def test_a_trial_draws_the_same_in_every_batch() -> None:
    whole = ensemble(7, 20, lambda g: g.standard_normal(3))
    shard = ensemble(7, range(12, 20), lambda g: g.standard_normal(3))
    assert torch.equal(whole[12:], shard)
    assert whole.dtype == torch.float64


def test_trials_and_seeds_draw_differently() -> None:
    words = {tuple(generator(seed, trial).integers(0, 2**63, 2)) for seed in range(20) for trial in range(20)}
    assert len(words) == 400
    # (seed, trial) is a pair, no sum and no product.
    assert generator(1, 2).random() != generator(2, 1).random()


def test_generator_is_philox_keyed_by_seed_and_trial() -> None:
    state = generator(3, 2**64 - 1).bit_generator.state
    assert state["bit_generator"] == "Philox"
    assert state["state"]["key"].tolist() == [3, 2**64 - 1]
    assert state["state"]["counter"].tolist() == [0, 0, 0, 0]


def test_first_draws_over_trials_are_uniform() -> None:
    """Kolmogorov's distance of the first draws of 2000 neighbouring keys; 1.95 / sqrt(n) is exceeded once in 1000."""
    draws = np.sort(ensemble(0, 2000, lambda g: g.random()).numpy())
    grid = np.arange(1, 2001) / 2000
    assert np.maximum(np.abs(draws - grid), np.abs(draws - grid + 1 / 2000)).max() < 1.95 / np.sqrt(2000)


@pytest.mark.parametrize(("seed", "trial"), [(-1, 0), (0, -1), (2**64, 0), (0.5, 0), (True, 0), ("1", 0)])
def test_bad_keys(seed: object, trial: object) -> None:
    with pytest.raises(InputError, match=r"was given; expected an integer from 0 to 2\^64 - 1"):
        generator(seed, trial)  # type: ignore[arg-type]


def test_no_trials() -> None:
    with pytest.raises(InputError, match="expected at least one"):
        ensemble(0, 0, lambda g: g.random())
