from __future__ import annotations

import numpy as np
import pytest

from ivbench.errors import ShapeError
from ivbench.metrics.frechet import Target, factor, frechet_distance, frechet_distance_of_features
from ivbench.metrics.statistics import GaussianStatistics


def gaussian(mean: np.ndarray, covariance: np.ndarray, n: int = 1001) -> GaussianStatistics:
    return GaussianStatistics(n, mean, covariance * (n - 1))


def spd(seed: int, dim: int) -> np.ndarray:
    root = np.random.default_rng(seed).normal(size=(dim, dim))
    return root @ root.T + 0.1 * np.eye(dim)


def test_diagonal_gaussians_have_the_closed_form() -> None:
    a, b = np.array([1.0, 4.0, 9.0]), np.array([4.0, 1.0, 16.0])
    shift = np.array([1.0, -2.0, 0.5])
    expected = np.sum((np.sqrt(a) - np.sqrt(b)) ** 2) + np.sum(shift**2)
    value = frechet_distance(gaussian(shift, np.diag(a)), gaussian(np.zeros(3), np.diag(b)))
    assert value == pytest.approx(expected, rel=1e-12)


def test_a_ridge_is_added_to_both_covariances_with_fewer_rows_than_dimensions_too() -> None:
    a, b = np.array([1.0, 0.0, 9.0]), np.array([4.0, 1.0, 16.0])
    expected = np.sum((np.sqrt(a + 0.5) - np.sqrt(b + 0.5)) ** 2)
    found = Target(gaussian(np.zeros(3), np.diag(b)), ridge=0.5).distance(gaussian(np.zeros(3), np.diag(a)))
    assert found == pytest.approx(expected, rel=1e-12)

    few = [GaussianStatistics.of(np.random.default_rng(seed).normal(size=(3, 20))) for seed in (1, 2)]
    widened = [gaussian(one.mean, one.covariance() + 0.5 * np.eye(20)) for one in few]
    assert Target(few[1], ridge=0.5).distance(few[0]) == pytest.approx(frechet_distance(*widened), rel=1e-12)
    assert Target(few[1], ridge=0.5).distance(few[0]) < 0.9 * frechet_distance(*few)


def test_general_covariances_have_the_eigenvalues_of_the_product() -> None:
    a, b = spd(1, 6), spd(2, 6)
    cross = np.sqrt(np.linalg.eigvals(a @ b).real).sum()
    value = frechet_distance(gaussian(np.zeros(6), a), gaussian(np.zeros(6), b))
    assert value == pytest.approx(np.trace(a) + np.trace(b) - 2 * cross, rel=1e-10)


def test_the_identity_is_zero() -> None:
    statistics = gaussian(np.arange(6.0), spd(3, 6))
    assert frechet_distance(statistics, statistics) == pytest.approx(0.0, abs=1e-11)


def test_the_identity_is_zero_with_fewer_rows_than_dimensions() -> None:
    rows = np.random.default_rng(0).normal(size=(10, 40))
    statistics = GaussianStatistics.of(rows)
    assert frechet_distance(statistics, statistics) == pytest.approx(0.0, abs=1e-10)
    assert frechet_distance_of_features(rows, rows) == pytest.approx(0.0, abs=1e-10)


def test_it_is_symmetric() -> None:
    a, b = gaussian(np.zeros(6), spd(4, 6)), gaussian(np.ones(6), spd(5, 6))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-12)


def test_a_shift_of_the_mean_adds_its_square() -> None:
    covariance = spd(6, 4)
    moved = frechet_distance(gaussian(np.full(4, 3.0), covariance), gaussian(np.zeros(4), covariance))
    assert moved == pytest.approx(36.0, rel=1e-10)


@pytest.mark.parametrize(("n_a", "n_b"), [(12, 20), (12, 200), (200, 300)])
@pytest.mark.parametrize("ddof", [0, 1])
def test_features_and_statistics_agree_also_with_fewer_rows_than_dimensions(n_a: int, n_b: int, ddof: int) -> None:
    generator = np.random.default_rng(7)
    a, b = generator.normal(size=(n_a, 40)), generator.normal(0.3, 1.2, (n_b, 40))
    from_statistics = frechet_distance(GaussianStatistics.of(a), GaussianStatistics.of(b), ddof)
    assert from_statistics == pytest.approx(frechet_distance_of_features(a, b, ddof), rel=1e-9)


def test_dead_features_add_nothing() -> None:
    generator = np.random.default_rng(8)
    a, b = generator.normal(size=(60, 5)), generator.normal(0.3, 1.2, (70, 5))
    padded = [GaussianStatistics.of(np.pad(x, ((0, 0), (0, 3)))) for x in (a, b)]
    assert frechet_distance(*padded) == pytest.approx(frechet_distance_of_features(a, b), rel=1e-9)


def test_constant_features_differ_by_their_means_alone() -> None:
    flat = [GaussianStatistics.of(np.full((5, 3), level)) for level in (0.0, 2.0)]
    assert frechet_distance(*flat) == pytest.approx(12.0)


@pytest.mark.parametrize("constant_first", [True, False])
def test_many_constant_features_against_others_leave_their_trace(constant_first: bool) -> None:
    rows = np.random.default_rng(1).normal(size=(700, 300))
    sides = [GaussianStatistics.of(np.zeros((400, 300))), GaussianStatistics.of(rows)]
    expected = float(np.sum(np.square(rows.mean(axis=0))) + rows.var(axis=0, ddof=1).sum())
    assert frechet_distance(*sides[:: 1 if constant_first else -1]) == pytest.approx(expected, rel=1e-9)


def test_a_factor_gives_the_covariance_back_whatever_its_rank() -> None:
    full, root = spd(9, 5), np.random.default_rng(9).normal(size=(5, 2))
    for covariance, rank in ((full, 5), (root @ root.T, 2), (np.zeros((5, 5)), 0)):
        a = factor(covariance)
        assert a.shape == (5, rank)
        np.testing.assert_allclose(a @ a.T, covariance, atol=1e-12)


@pytest.mark.parametrize(("n", "golden"), [(256, 227.0), (512, 105.0)])
def test_the_bias_at_a_small_number_of_samples_is_the_measured_one(n: int, golden: float) -> None:
    # Equal N(0, I_400) against a reference of 2048. Source: measured with numpy (eigenvalues of the product), 227 at
    # 256 and 105 at 512 samples; the draw moves them by less than 2 %.
    generator = np.random.default_rng(0)
    reference = GaussianStatistics.of(generator.normal(size=(2048, 400)))
    generated = GaussianStatistics.of(generator.normal(size=(n, 400)))
    assert frechet_distance(generated, reference) == pytest.approx(golden, rel=0.02)


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("dim", [2, 40])
def test_of_one_row_the_covariance_is_zero_and_the_rest_the_closed_form(dim: int, ridge: float, ddof: int) -> None:
    # Of a covariance of ridge I against S + ridge I: trace of both - 2 sqrt(ridge) sum of sqrt(eigenvalues).
    generator = np.random.default_rng(3)
    row, real = generator.normal(size=(1, dim)), generator.normal(size=(300, dim))
    wide = np.cov(real, rowvar=False, ddof=ddof) + ridge * np.eye(dim)
    expected = np.sum((row[0] - real.mean(0)) ** 2) + np.trace(wide) + dim * ridge
    expected -= 2 * np.sqrt(ridge) * np.sqrt(np.linalg.eigvalsh(wide)).sum()
    one, many = GaussianStatistics.of(row), GaussianStatistics.of(real)
    assert Target(many, ddof, ridge).distance(one) == pytest.approx(expected, rel=1e-10)
    assert Target(one, ddof, ridge).distance(many) == pytest.approx(expected, rel=1e-10)
    assert Target(one, ddof, ridge).distance(one) == pytest.approx(0.0, abs=1e-12)
    if not ridge:
        assert frechet_distance_of_features(row, real, ddof) == pytest.approx(expected, rel=1e-10)


def test_other_dimensions_and_no_rows_are_refused() -> None:
    target = Target(gaussian(np.zeros(3), np.eye(3)))
    with pytest.raises(ShapeError, match="4 dimensions, the reference has 3"):
        target.distance(gaussian(np.zeros(4), np.eye(4)))
    with pytest.raises(ShapeError, match="one D and a row of each"):
        frechet_distance_of_features(np.zeros((0, 3)), np.zeros((5, 3)))
    with pytest.raises(ShapeError, match="at least 1 feature row, got none"):
        target.distance(GaussianStatistics.empty(3))


@pytest.mark.parametrize("decay", [0, 4, 8, 16, 28])
@pytest.mark.parametrize("rows", [200, 800])
def test_the_fast_route_of_large_covariances_is_as_exact_as_singular_values(decay: int, rows: int) -> None:
    draw = np.random.default_rng(decay)
    turn = np.linalg.qr(draw.normal(size=(300, 300)))[0]
    scale = np.exp(-np.arange(300) / 300 * decay)
    a, b = ((draw.normal(size=(rows, 300)) * scale * s) @ turn for s in (1.0, 1.1))
    centred = [(x - x.mean(axis=0)) / np.sqrt(rows - 1) for x in (a, b)]
    cross = float(np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum())
    traces = sum(float(np.sum(np.square(x))) for x in centred)
    expected = float(np.sum(np.square(a.mean(axis=0) - b.mean(axis=0)))) + traces - 2 * cross
    found = frechet_distance(GaussianStatistics.of(a), GaussianStatistics.of(b))
    assert found == pytest.approx(expected, rel=1e-9 if decay < 16 else 1e-7, abs=1e-9 * traces)


@pytest.mark.parametrize("decay", [0, 6, 12, 24])
@pytest.mark.parametrize("direction", [1, -1])
def test_large_covariances_with_one_eigenbasis_have_the_closed_form(decay: int, direction: int) -> None:
    dim, draw = 300, np.random.default_rng(decay)
    turn = np.linalg.qr(draw.normal(size=(dim, dim)))[0]
    a = np.exp(-np.linspace(0, decay, dim))
    b = 1.3 * a[::direction]
    sides = [gaussian(np.zeros(dim), (turn * values) @ turn.T) for values in (a, b)]
    expected = np.sum((np.sqrt(a) - np.sqrt(b)) ** 2)
    assert frechet_distance(*sides) == pytest.approx(expected, rel=1e-9 if decay <= 12 else 1e-5)


@pytest.mark.parametrize("rank", [20, 290])
def test_large_singular_covariances_have_the_closed_form_within_1e_5(rank: int) -> None:
    dim = 300
    turn = np.linalg.qr(np.random.default_rng(rank).normal(size=(dim, dim)))[0]
    a = np.where(np.arange(dim) < rank, np.linspace(2, 1, dim), 0.0)
    b = np.roll(a, 5)
    sides = [gaussian(np.zeros(dim), (turn * values) @ turn.T, n=2) for values in (a, b)]
    assert frechet_distance(*sides) == pytest.approx(np.sum((np.sqrt(a) - np.sqrt(b)) ** 2), rel=1e-5)
