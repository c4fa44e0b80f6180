"""Spatial split: a fixed test set and folds, drawn from blocks of neighbouring cells or groups of near towers."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import xarray as xr
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from h2cm.config import Config, ConfigError

log = logging.getLogger(__name__)


def split(cells: xr.Dataset, config: Config) -> pd.DataFrame:
    """Assign each cell its role in each fold.

    Whole blocks are drawn (Sect. 2.3.3 of the paper): of a grid, those of ``split.block_degrees``; of towers, groups
    closer than ``split.neighbour_degrees``. The test set is drawn first and does not depend on the number of folds; the
    other blocks fall at random into folds of equally many blocks. Fold k validates on its own blocks and trains on
    those of the others.

    Parameters
    ----------
    cells : Dataset
        ``lat``, ``lon`` (cell), degrees; towers have ``site`` (cell) too.
    config : Config
        ``split`` and ``seed``.

    Returns
    -------
    DataFrame
        One row a cell: ``cell``, ``site`` (towers), ``lat``, ``lon``, ``block`` and ``fold_<k>``, which is ``train``,
        ``validation`` or ``test``.

    Raises
    ------
    ConfigError
        If there are fewer blocks than folds, so that a fold would have no cells, or a test tower is not there.
    """
    lat, lon = cells["lat"].values, cells["lon"].values
    sites = cells["site"].values.astype(str) if "site" in cells else None
    if sites is None:
        block = blocks(lat, lon, config.split.block_degrees)
    else:
        block = groups(lat, lon, sites, config.split.neighbour_degrees)
    names = np.unique(block)

    rng = np.random.default_rng(config.seed)
    drawn = rng.permutation(names)
    if config.split.test_sites:
        test = _test_groups(config.split.test_sites, sites, block)
    else:
        share = config.split.test_fraction
        test = drawn[: max(1, round(share * names.size)) if share else 0]
    rest = drawn[~np.isin(drawn, test)]
    if rest.size < config.split.folds:
        what = "groups of near towers" if sites is not None else f"blocks of {config.split.block_degrees:g} degrees"
        raise ConfigError(
            f"split.folds: {config.split.folds} folds, but without the test set there are only {rest.size} {what}: "
            "a fold would have no cells. Ask for fewer folds, or use a larger area or more towers"
        )

    table = pd.DataFrame({"cell": np.arange(lat.size)})
    if sites is not None:
        table["site"] = sites
    table = table.assign(lat=lat, lon=lon, block=block)
    for fold, own in enumerate(np.array_split(rest, config.split.folds)):
        role = np.where(np.isin(block, own), "validation", "train")
        table[f"fold_{fold}"] = np.where(np.isin(block, test), "test", role)
    log.info("%d cells in %d blocks: %d blocks test, %d folds", lat.size, names.size, test.size, config.split.folds)
    return table


def blocks(lat: np.ndarray, lon: np.ndarray, degrees: float) -> np.ndarray:
    """The block of each cell, named by its south-western corner, ``45S 170E``; shape (cell,).

    Blocks are counted from 90° S and 180° W; a cell belongs to the block that its centre is in.
    """
    lon = (lon + 180) % 360 - 180
    south, west = (start + degrees * np.floor((x - start) / degrees) for x, start in ((lat, -90), (lon, -180)))
    return np.array([f"{_degrees(a, 'SN')} {_degrees(o, 'WE')}" for a, o in zip(south, west, strict=True)])


def _degrees(value: float, sides: str) -> str:
    return f"{abs(value):g}{sides[int(value >= 0)]}"


def groups(lat: np.ndarray, lon: np.ndarray, sites: np.ndarray, degrees: float) -> np.ndarray:
    """The group of each tower, named by its alphabetically first tower; shape (cell,).

    Towers are in one group if they are closer than `degrees` (of a great circle), or a chain of such pairs joins them.
    """
    phi, theta = np.radians(lat), np.radians(lon)
    points = np.stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)], 1)
    pairs = KDTree(points).query_pairs(2 * np.sin(np.radians(degrees) / 2), output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (lat.size, lat.size))
    _, label = connected_components(graph, directed=False)
    return pd.Series(sites).groupby(label).transform("min").to_numpy(str)


def _test_groups(test_sites: tuple[str, ...], sites: np.ndarray, block: np.ndarray) -> np.ndarray:
    missing = sorted(set(test_sites) - set(sites))
    if missing:
        raise ConfigError(f"split.test_sites: expected towers of this run, which has no {', '.join(missing)}")
    test = np.unique(block[np.isin(sites, test_sites)])
    near = sorted(set(sites[np.isin(block, test)]) - set(test_sites))
    if near:
        log.info("also in the test set, being close to a tower of it: %s", ", ".join(near))
    return test
