"""The 30 static attributes of the synthetic Earth: soil, land cover, relief and wetlands.

They follow climate and relief as on the real Earth, with smooth variations of their own, and are what the truth's
parameters are made of (`h2cm.sources.twin.parameters`).
"""

from __future__ import annotations

import numpy as np

from h2cm.sources.twin.climate import normals
from h2cm.sources.twin.fields import static_field
from h2cm.sources.twin.geography import Geography

FEATURES: dict[str, tuple[str, ...]] = {
    "soilgrids": (
        "sand",
        "silt",
        "clay",
        "bulk_density",
        "coarse_fragments",
        "ph",
        "organic_carbon",
        "organic_carbon_density",
        "organic_carbon_stock",
        "nitrogen",
        "cation_exchange_capacity",
        "available_water_capacity",
        "saturated_water_content",
        "depth_to_bedrock",
    ),
    "globeland30": (
        "cultivated_land",
        "forest",
        "grassland",
        "shrubland",
        "wetland",
        "water_bodies",
        "tundra",
        "artificial_surfaces",
        "bare_land",
        "permanent_snow_and_ice",
    ),
    "gtopo30": ("elevation_mean", "elevation_std"),
    "tootchi": ("wetlands", "regularly_flooded_wetlands", "groundwater_driven_wetlands", "lakes"),
}
"""The attributes that each product holds."""

CLASS_SHARPNESS = 1.1  # how much better suited a class of land cover must be to push out the others


def static_attributes(place: Geography, seed: int) -> dict[str, np.ndarray]:
    """All attributes by name, each of shape (cell,): fractions 0-1, texture in %, others in their usual units."""
    year = normals(place, np.arange(1, 366, 5))
    streams = iter(range(200, 300))

    def patch(length: float) -> np.ndarray:
        """Smooth variation of its own."""
        return static_field(np.random.default_rng([seed, next(streams)]), length, place.lat, place.lon)

    mean_temperature, summer = year.temperature.mean(0), np.percentile(year.temperature, 90, axis=0)
    rain = year.precipitation.mean(0)
    demand = 0.5 + 0.17 * np.maximum(year.temperature, 0).mean(0)  # mm day-1
    wet = rain / demand

    elevation = place.elevation * (1 + 0.05 * patch(0.05))
    roughness = elevation * 0.22 * np.exp(0.3 * patch(0.06)) + 5
    flat = np.exp(-roughness / 150)

    suited = {
        "cultivated_land": 0.9 - ((mean_temperature - 15) / 12) ** 2 - ((wet - 0.8) / 0.6) ** 2 + 0.7 * patch(0.12),
        "forest": 1.7 * np.tanh(2.5 * (wet - 0.7)) + 1.2 * np.tanh((summer - 11) / 3) - 0.4 + 0.3 * patch(0.08),
        "grassland": 0.7 - ((wet - 0.5) / 0.45) ** 2 + 0.4 * patch(0.08),
        "shrubland": 0.1 - ((wet - 0.3) / 0.3) ** 2 + 0.4 * patch(0.08),
        "wetland": -2.6 + 0.8 * np.tanh(2 * (wet - 0.8)) + flat + 0.5 * patch(0.06),
        "water_bodies": -2.6 + 0.4 * np.tanh(2 * (wet - 0.8)) + 0.5 * patch(0.05),
        "tundra": 1.6 * np.tanh((9 - summer) / 3) - 0.2 + 0.2 * patch(0.1),
        "artificial_surfaces": -3.4 - ((mean_temperature - 15) / 15) ** 2 + 0.5 * patch(0.08),
        "bare_land": 2.8 - 11 * wet + 0.3 * patch(0.08),
        "permanent_snow_and_ice": np.minimum(-1.5 - summer, 4),
    }
    weights = {name: np.exp(CLASS_SHARPNESS * np.maximum(score, -8)) for name, score in suited.items()}
    total = sum(weights.values())
    cover = {name: weight / total for name, weight in weights.items()}

    texture = {
        "sand": 0.3 + 0.5 * patch(0.1) + 0.5 * np.tanh(1 - 2 * wet),
        "silt": 0.1 + 0.4 * patch(0.12) + 0.3 * np.tanh((5 - mean_temperature) / 10),
        "clay": 0.4 * patch(0.12) + 0.3 * np.tanh((mean_temperature - 15) / 8),
    }
    parts = {name: np.exp(score) for name, score in texture.items()}
    texture = {name: 100 * part / sum(parts.values()) for name, part in parts.items()}

    # where dead leaves rot slowly, there is much carbon: warmth and damp of the soil against its mean
    growing = 0.1 + 1 / (1 + np.exp(-(year.temperature - 3) / 3))
    rate = 1.5 ** ((year.temperature - 15) / 10) * (year.precipitation + 0.2) / (year.precipitation + 0.8)
    rot = (growing * rate).mean(0) / growing.mean(0)
    stock = 6.0 / rot * np.exp(0.10 * patch(0.1))  # kg m-2
    carbon = 9 * stock / (1 + stock / 25)  # g kg-1
    density = 1.6 / (1 + carbon / 250) + 0.03 * patch(0.1)
    clay, silt, sand = texture["clay"], texture["silt"], texture["sand"]
    groundwater = np.clip(0.25 * flat * np.tanh(wet) * np.exp(0.4 * patch(0.08)), 0, 0.8)
    flooded = cover["wetland"] * np.exp(0.2 * patch(0.08))
    soil = {
        "bulk_density": density,
        "coarse_fragments": np.clip(4 + 0.02 * roughness + 2 * patch(0.08), 0, 60),
        "ph": np.clip(7.8 - 1.6 * np.tanh(wet) + 0.2 * patch(0.1), 4, 9),
        "organic_carbon": carbon,
        "organic_carbon_density": carbon * density,
        "organic_carbon_stock": stock,
        "nitrogen": carbon / 13 * np.exp(0.1 * patch(0.1)),
        "cation_exchange_capacity": 4 + 0.45 * clay + 0.15 * carbon,
        "available_water_capacity": 0.06 + 0.0016 * silt + 0.0009 * clay + 0.0008 * carbon,
        "saturated_water_content": 0.52 - 0.0016 * sand + 0.0008 * carbon,
        "depth_to_bedrock": np.clip(2.2 * np.exp(-roughness / 400) * np.exp(0.25 * patch(0.1)), 0.2, 10),
    }
    return (
        texture
        | soil
        | cover
        | {"elevation_mean": elevation, "elevation_std": roughness}
        | {
            "wetlands": np.clip(flooded + groundwater, 0, 1),
            "regularly_flooded_wetlands": flooded,
            "groundwater_driven_wetlands": groundwater,
            "lakes": cover["water_bodies"] * np.exp(0.1 * patch(0.05)),
        }
    )
