"""Nearest neighbours among feature rows, in tiles: memory does not grow with the number of pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ShapeError
from ivbench.metrics.discrepancy import tiles
from ivbench.metrics.intervals import Integers
from ivbench.metrics.statistics import Array

__all__ = ["Neighbours", "balls_around", "inner", "nearest", "neighbours", "squared_distances", "within"]


def squared_distances(a: Array, b: Array) -> Array:
    """[N, M] |a_i - b_j|^2 of rows [N, D] and [M, D] float64."""
    lengths = np.sum(np.square(a), axis=1)[:, None] + np.sum(np.square(b), axis=1)
    return np.asarray(np.maximum(lengths - 2.0 * (a @ b.T), 0.0))


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest other rows of each row, nearest first.

    Attributes:
        place: [N, K] int: which rows.
        distance: [N, K] float64: squared distances.
    """

    place: Integers
    distance: Array


def neighbours(rows: Array, count: int) -> Neighbours:
    """The `count` nearest other rows of each row.

    Args:
        rows: [N, D] float64, N > count.
        count: how many.

    Raises:
        ShapeError: too few rows.
    """
    if len(rows) <= count:
        raise ShapeError(f"{count} nearest neighbours of a video need {count + 1} videos, got {len(rows)}. Give more.")
    places, distances = [], []
    for i, a in tiles(rows):
        place: Integers = np.empty((len(a), 0), np.int64)
        distance: Array = np.empty((len(a), 0))
        for j, b in tiles(rows):
            found = squared_distances(a, b)
            if i == j:
                np.fill_diagonal(found, np.inf)
            distance = np.concatenate([distance, found], axis=1)
            new = np.broadcast_to(np.arange(j, j + len(b)), found.shape)
            place = np.concatenate([place, new], axis=1)
            kept = np.argsort(distance, axis=1, kind="stable")[:, :count]
            place = np.take_along_axis(place, kept, axis=1)
            distance = np.take_along_axis(distance, kept, axis=1)
        places.append(place)
        distances.append(distance)
    return Neighbours(np.concatenate(places), np.concatenate(distances))


def nearest(rows: Array, others: Array) -> tuple[Integers, Array]:
    """Of each row [N, D] the nearest of others [M, D]: (which [N], squared distance [N])."""
    place, distance = np.zeros(len(rows), np.int64), np.full(len(rows), np.inf)
    for i, a in tiles(rows):
        part = slice(i, i + len(a))
        for j, b in tiles(others):
            found = squared_distances(a, b)
            best = found.argmin(axis=1)
            value = found[np.arange(len(a)), best]
            closer = value < distance[part]
            place[part][closer], distance[part][closer] = best[closer] + j, value[closer]
    return place, distance


def inner(radii: Array) -> Array:
    """The radii of the same balls without their surfaces: a row at exactly a radius is outside, as prdc has it."""
    return np.nextafter(radii, -np.inf)


def balls_around(rows: Array, centres: Array, radii: Array) -> Integers:
    """[N] in how many balls each row lies; squared `radii` [M] around `centres` [M, D]."""
    return np.concatenate(
        [
            sum((squared_distances(a, b) <= radii[j : j + len(b)]).sum(axis=1) for j, b in tiles(centres))
            for _, a in tiles(rows)
        ]
    )


def within(rows: Array, centres: Array, radii: Array) -> NDArray[np.bool_]:
    """[S, N] whether each row lies in a ball, by S sets of squared radii [S, M] of the same centres; below 0: none."""
    found = np.zeros((len(radii), len(rows)), bool)
    for i, a in tiles(rows):
        for j, b in tiles(centres):
            distance = squared_distances(a, b)
            for one, chosen in zip(found, radii, strict=True):
                one[i : i + len(a)] |= (distance <= chosen[j : j + len(b)]).any(axis=1)
    return found
