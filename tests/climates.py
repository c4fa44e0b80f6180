"""Small invented climates and data sets for the tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
import xarray as xr

from h2cm.model import FORCING, H2CM


def climate(kind: str, cells: int, days: int, rng: np.random.Generator) -> np.ndarray:
    """Forcing (cell, day, 5) float32: `kind` is mixed, frozen, dry, wet, dark or ties."""
    day = np.arange(days)
    season = np.sin(2 * np.pi * (day / 365 - 0.25)) * rng.uniform(0.2, 1.5, (cells, 1))
    rn = 90 + 80 * season + rng.normal(0, 20, (cells, days))
    rain = rng.gamma(0.4, 8, (cells, days)) * (rng.random((cells, days)) < 0.4)
    ta = 273.15 + rng.uniform(-5, 25, (cells, 1)) + 12 * season + rng.normal(0, 3, (cells, days))
    vpd = np.exp(1.5 + 0.8 * season + rng.normal(0, 0.3, (cells, days)))
    co2 = 370 + day / 180 + rng.normal(0, 1, (cells, days))
    if kind == "frozen":
        ta = np.minimum(ta, 260)
    if kind == "dry":
        rain[:] = 0
    if kind == "wet":
        rain = 80 + 100 * rng.random((cells, days))
    if kind == "dark":
        rn = -np.abs(rn)
    if kind == "ties":  # at freezing point exactly, no energy exactly, no rain exactly
        ta[:, ::3] = np.float32(273.15)
        rn[:, ::4] = 0
        rain[:, ::2] = 0
    return np.stack([rn, rain, ta, vpd, co2], -1).astype(np.float32)


def model_for(forcing: np.ndarray, static: np.ndarray, seed: int = 0, backend: str = "eager") -> H2CM:
    """A model with random weights, normalised for the data."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = H2CM(static.shape[1], backend)
    flat = forcing.reshape(-1, 5).astype(float)
    model.set_normalisation(flat.mean(0), flat.std(0) + 1e-3, static.mean(0), static.std(0) + 1e-3)
    return model


def make_store(cells: int = 12, years: int = 2, seed: int = 0, attributes: int = 4) -> xr.Dataset:
    """A store of invented data: forcing, static attributes and all constraints of the paper."""
    rng = np.random.default_rng(seed)
    time = pd.date_range("2001-01-01", f"{2000 + years}-12-31")
    month = pd.date_range("2001-01-01", f"{2000 + years}-12-01", freq="MS")
    forcing = climate("mixed", cells, len(time), rng)
    units = ("W m-2", "mm day-1", "K", "hPa", "ppm")
    store = {k: (("cell", "time"), forcing[..., i], {"units": u}) for i, (k, u) in enumerate(zip(FORCING, units))}
    store["static"] = (("cell", "feature"), rng.normal(size=(cells, attributes)).astype("f4"))
    store["area"] = ("cell", rng.uniform(1, 2, cells) * 1e10)
    for name in ("tws", "swe", "fapar", "et", "runoff", "gpp", "nee", "nee_oco2", "nee_carboscope"):
        values = rng.gamma(2, 0.5, (cells, len(month))) * (-1 if name.startswith("nee") else 1)
        store[name] = (("cell", "month"), np.where(rng.random(values.shape) < 0.1, np.nan, values).astype("f4"))
    store["cue"] = ("cell", rng.uniform(0.3, 0.6, cells).astype("f4"))
    lat, lon = np.linspace(-50, 70, cells), np.linspace(-170, 170, cells)
    coords = {"time": time, "month": month, "lat": ("cell", lat), "lon": ("cell", lon)}
    return xr.Dataset(store, coords=coords | {"feature": [f"attribute_{i}" for i in range(attributes)]})


PAPER_CONSTRAINTS = {
    "tws": {"prediction": "tws", "compare": "monthly_centred"},
    "swe": {"prediction": "swe", "compare": "monthly"},
    "fapar": {"prediction": "fapar", "compare": "monthly"},
    "et": {"prediction": "et", "compare": "mean_seasonal_cycle"},
    "runoff": {"prediction": "runoff", "compare": "mean_seasonal_cycle"},
    "gpp": {"prediction": "gpp", "compare": "mean_seasonal_cycle"},
    "nee_oco2": {"prediction": "nee", "compare": "monthly"},
    "nee_carboscope": {"prediction": "nee", "compare": "spatial_mean_anomaly"},
    "cue": {"prediction": "cue", "compare": "mean_ratio"},
}
