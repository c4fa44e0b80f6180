"""How a product lies in its files, as a table from which `h2cm.sources.products.reading` and `h2cm.sources.products.writing` work.

A standardised data set has the dimensions ``time`` (real calendar, the start of each step), ``lat`` (ascending) and
``lon`` (-180 to 180, ascending), the store's units and signs, the product's own grid and time step; its attribute
``step`` says how long a step is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

LATITUDES, LONGITUDES, TIMES = (
    ("lat", "latitude", "Y", "y"),
    ("lon", "longitude", "X", "x"),
    ("time", "valid_time", "time_counter", "T"),
)
STEPS = {"any": "h", "day": "D", "8 days": "D", "month": "M"}
"""Length of a time step, and the unit to which its time stamp is rounded down; `any`: as the time axis shows."""


@dataclass(frozen=True)
class Field:
    """A variable of a product.

    Attributes
    ----------
    name : str
        In the standardised data set.
    units : str
        In the standardised data set.
    file_names : tuple of str
        In the file: the documented name, then other spellings that are accepted.
    file_units : str
        Documented unit in the file.
    low, high : float
        Possible values, standardised.
    tolerance : float
        What a value may lie beyond them by rounding.
    sign : int
        -1 where the file counts the other way.
    dtype, fill, packing :
        Type in the file, its missing value and (scale_factor, add_offset).
    scale, offset : float
        From the file's unit to `units`; filled in by the reader.
    """

    name: str
    units: str
    file_names: tuple[str, ...]
    file_units: str
    low: float = -np.inf
    high: float = np.inf
    tolerance: float = 0.0
    sign: int = 1
    dtype: str = "f4"
    fill: float | None = None
    packing: tuple[float, float] | None = None
    attrs: dict = field(default_factory=dict, hash=False)
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Layout:
    """The layout of a product's files.

    Attributes
    ----------
    product : str
    pattern : str
        Of the files' names, in the product's folder and those below.
    fields : tuple of Field
    step : str
        A key of `STEPS`.
    split : {"day", "month", "year", "all"}
        What one file holds.
    file_name : callable
        First and last day (Timestamps) of a file to its name.
    dims : tuple of str
        Names of time, latitude and longitude in the file.
    calendar, time_units : str
    stamp : {"start", "middle"}
        Which moment of a step the file's time stamp is.
    descending : bool
        Latitude from north to south.
    east : bool
        Longitudes 0 to 360.
    aligned : {"", "edges", "centres"}
        See `checks.check_axes`.
    """

    product: str
    pattern: str
    fields: tuple[Field, ...]
    step: str
    split: str
    file_name: Callable[[pd.Timestamp, pd.Timestamp], str]
    dims: tuple[str, str, str] = ("time", "lat", "lon")
    calendar: str = "standard"
    time_units: str = "days since 1900-01-01"
    stamp: str = "start"
    descending: bool = False
    east: bool = False
    aligned: str = ""
    attrs: dict = field(default_factory=dict, hash=False)

    def field(self, name: str) -> Field:
        return next(f for f in self.fields if f.name == name)
