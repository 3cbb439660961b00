"""Motion during a rotation, against filtered back-projection of a thing that moves."""

import numpy as np
import pytest

from segmenters.denseraunet.training.motion import _reconstructed, _way, moved

SIDE, SIGMA = 96, 2.5


def blob(y, x):
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * SIGMA**2))


def back_projected(way, start, angles=720):
    """Filtered back-projection, parallel beams, of a blob that lies elsewhere in every one of its exact projections."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    ray = np.arange(-256, 256) / 2
    ramp = np.abs(np.fft.fftfreq(len(ray), 0.5))
    image = np.zeros((SIDE, SIDE))
    for moment in (np.arange(angles) + 0.5) / angles:
        angle = start + np.pi * moment
        y, x = (np.interp(moment, np.linspace(0, 1, way.shape[1]), along) for along in way)
        at = x * np.cos(angle) + y * np.sin(angle)
        projection = np.sqrt(2 * np.pi) * SIGMA * np.exp(-((ray - at) ** 2) / (2 * SIGMA**2))
        filtered = np.fft.ifft(np.fft.fft(projection) * ramp).real
        image += np.interp(columns * np.cos(angle) + rows * np.sin(angle), ray, filtered)
    return image * np.pi / angles


@pytest.mark.parametrize("seed", range(3))
def test_what_moved_looks_as_its_back_projection_does(seed):
    rng = np.random.default_rng(seed)
    way, start = _way(rng, 12), float(rng.uniform(0, np.pi))
    expected = back_projected(way, start)
    found = _reconstructed(blob(0, 0)[None].astype(np.float32), [start], way)[0]
    assert expected.max() < 0.75, "it is paler than the blob"
    assert expected.min() < -0.02, "and has shadows"
    middle = slice(16, -16), slice(16, -16)
    assert np.abs(found - expected)[middle].max() < 0.02
    assert np.abs(found - blob(0, 0))[middle].max() > 0.2


def patch(seed=0):
    """Blood with noise and a spot of calcium of 5 × 5 pixels in the middle."""
    stack = np.random.default_rng(seed).normal(40, 15, (5, 96, 96)).astype(np.float32)
    calcium = np.zeros((96, 96), bool)
    calcium[46:51, 46:51] = True
    stack[:, calcium] = 500
    return stack, calcium


def test_no_way_leaves_slices_and_calcium_as_they_are():
    stack, calcium = patch()
    found, still = moved(stack, calcium, (48, 48), 0.0, 0.6, np.random.default_rng(1))
    np.testing.assert_allclose(found, stack, atol=0.02)
    np.testing.assert_array_equal(still, calcium)


def test_calcium_keeps_its_mass_pales_and_is_followed_to_where_it_shows():
    paler, larger = [], []
    for seed in range(20):
        stack, calcium = patch(seed)
        found, followed = moved(stack, calcium, (48, 48), 8.0, 0.6, np.random.default_rng(seed))
        near = slice(28, 69), slice(28, 69)
        mass = (stack[2] - 40)[near].sum()
        assert (found[2] - 40)[near].sum() == pytest.approx(mass, rel=0.15)
        assert (found[2][followed] - 40).mean() > 50
        paler.append(np.sort(found[2], axis=None)[-25:].mean() / 500)
        larger.append(followed.sum() / calcium.sum())
    assert np.median(paler) < 0.9
    assert np.median(larger) > 1.2


def test_what_is_far_away_stays_and_noise_is_not_averaged_away():
    stack, calcium = patch()
    found, _ = moved(stack, np.zeros_like(calcium), (48, 48), 12.0, 0.6, np.random.default_rng(2))
    changed = np.abs(found - stack)
    assert changed[:, :8].mean() < 0.1 * changed[:, 40:56, 40:56].mean(), "streaks alone reach that far"
    noise = np.random.default_rng(5).normal(0, 20, (5, 96, 96)).astype(np.float32)
    after, _ = moved(noise, np.zeros_like(calcium), (48, 48), 12.0, 0.6, np.random.default_rng(3))
    assert 0.7 < after[:, 38:58, 38:58].std() / 20 < 1.05, "a mean along the way would leave a fifth"
