"""What goes with the data set: a README, the metadata that Zenodo reads on upload, and an RO-Crate."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import yaml
from rocrate.model import ContextEntity, Person, SoftwareApplication
from rocrate.rocrate import ROCrate

from h2cm.config import Config
from h2cm.files import whole
from h2cm.results.dataset.attributes import (
    QUANTILES,
    REFERENCE,
    SOURCES,
    STATISTICS,
    citation,
    precision,
    title,
    variable_attributes,
)
from h2cm.results.dataset.files import map_grid
from h2cm.results.paths import dataset_years, folds, main_experiment, path
from h2cm.vocabulary import OUTPUTS
from h2cm.workflow.provenance import input_hashes, versions

README = """\
# {title}

{summary}

Experiment `{experiment}`, folds {folds}. Grid: {grid}. Made with h2cm {version} from the configuration in the attribute
`configuration` of every file; versions of all software and SHA-256 of all inputs are in the attribute `provenance`.

## Files

`daily/` and `monthly/`: one variable and year a file, `<variable>_<daily|monthly>_<year>.nc`, netCDF-4, CF 1.11. In each:

| variable | what |
| --- | --- |
{statistics}

Values are means over the day or month and per square metre of land. Values are {precision}.

Median, minimum and maximum are of models trained on different folds: they say how much these differ, not how wrong they may be. The
quantiles do: in monthly files, of what is observed (split conformal prediction, by what was observed at cells that a model had not
seen) and of fluxes that nobody observes (carried over from the observed ones; each file says which). {area} Daily values have none,
as nothing is compared day by day.

| variable | unit | daily | monthly | what | CF standard name |
| --- | --- | --- | --- | --- | --- |
{variables}

{space}

## Use

```python
import xarray as xr

gpp = xr.open_mfdataset("{example}", data_vars="minimal")["gpp"]
{use}
```

{cdo}

## Licence and citation

{license}. Please cite: {citation}
"""

AREA = (
    "They hold for places like those trained on: where `inside_area_of_applicability` in `grid.nc` is 0, attributes and climate are "
    "further from all of these than is usual among them, and nothing vouches for the quantiles."
)
MAP = (
    "`grid.nc` holds `cell_area` (m2), `land_fraction`, `modelled` (1 where there are values), `dissimilarity` and "
    "`inside_area_of_applicability` of each cell.",
    'cell = gpp.sel(lat=51, lon=10, method="nearest")\n'
    'area = xr.open_dataset("grid.nc")["cell_area"]\n'
    'mean = gpp.weighted(area).mean(["lat", "lon"])',
    "```bash\ncdo fldmean {file} mean.nc     # weighted by area\ncdo yearmean {file} annual.nc\n```",
)
STATIONS = (
    "The files are discrete sampling geometries of CF (`timeSeries`): dimensions (time, station), with `station_name`, "
    "`lat`, `lon` and `land_cover` of each tower.",
    'tower = gpp.isel(station=(gpp.station_name == b"DE-Hai").values.argmax())',
    "",
)


def write_description(
    config: Config, files: Sequence[str | Path], software: str | Path, folder: Path, stores: Sequence[str] = ()
) -> None:
    """Write ``README.md``, ``.zenodo.json`` and ``ro-crate-metadata.json``.

    Parameters
    ----------
    config : Config
    files : sequence of path
        All netCDF files of the data set.
    software : path
        ``CITATION.cff`` of this software: its authors are the creators.
    folder : Path
        Of the data set.
    stores : sequence of str
        Zarr stores in it.
    """
    about = yaml.safe_load(Path(software).read_text())
    texts = {
        "README.md": readme(config),
        ".zenodo.json": json.dumps(zenodo(config, about), indent=2, ensure_ascii=False) + "\n",
        "ro-crate-metadata.json": json.dumps(crate(config, about, files, folder, stores), indent=2, ensure_ascii=False)
        + "\n",
    }
    for name, text in texts.items():
        with whole(folder / name) as file:
            file.write_text(text)


def _summary(config: Config) -> str:
    number = len(folds(config, main_experiment(config)))
    return (
        "Daily and monthly fluxes and storages of the land's water and carbon cycles by the hybrid model H2CM: median, "
        f"minimum and maximum over {number} models trained on different folds. {SOURCES[config.source]}"
    )


def readme(config: Config) -> str:
    """The README, Markdown."""
    names = list(dict.fromkeys((*config.prediction.daily, *config.prediction.monthly)))
    rows = []
    for name in names:
        attrs = variable_attributes(name, "")
        steps = ["yes" if name in getattr(config.prediction, step) else "" for step in ("daily", "monthly")]
        columns = (f"`{name}`", attrs["units"], *steps, OUTPUTS[name].long_name, attrs.get("standard_name", ""))
        rows.append("| " + " | ".join(columns) + " |")
    towers = config.source == "towers"
    space, use, cdo = STATIONS if towers else MAP
    step = "daily" if "gpp" in config.prediction.daily else "monthly"
    grid = map_grid(config)
    return README.format(
        title=title(config),
        summary=_summary(config),
        experiment=main_experiment(config),
        folds=", ".join(map(str, folds(config, main_experiment(config)))),
        grid="towers" if towers else f"{grid.resolution:g}°, {grid.lat.size} × {grid.lon.size} cells (lat, lon)",
        version=versions()["h2cm"],
        statistics="\n".join(
            [
                *(f"| `<variable>{suffix}` | {method} of the folds |" for suffix, method in STATISTICS.items()),
                *(f"| `<variable>{suffix}` | calibrated quantile {level:g} |" for suffix, level in QUANTILES.items()),
            ]
        ),
        area="" if towers else AREA,
        precision=precision(config.dataset.significant_digits)[1],
        variables="\n".join(rows),
        space=space,
        example=f"{step}/gpp_{step}_*.nc",
        use=use,
        cdo=cdo.format(
            file=Path(path("dataset_file", variable="gpp", step=step, year=dataset_years(config)[0])).relative_to(
                "dataset"
            )
        ),
        license=config.dataset.license,
        citation=citation(config),
    )


def zenodo(config: Config, about: dict) -> dict:
    """Metadata as Zenodo's ``.zenodo.json`` has them."""
    return {
        "title": title(config),
        "upload_type": "dataset",
        "description": f"<p>{html.escape(_summary(config))}</p>",
        "creators": [{"name": _name(author)} for author in about["authors"]],
        "access_right": "open",
        "license": config.dataset.license.lower(),
        "version": versions()["h2cm"],
        "language": "eng",
        "keywords": ["carbon cycle", "water cycle", "land", "hybrid modelling", "gross primary productivity"],
        "references": [REFERENCE],
        "related_identifiers": [
            {"identifier": reference["doi"], "relation": "isDerivedFrom", "resource_type": "publication-article"}
            for reference in about["references"]
        ],
    }


def crate(config: Config, about: dict, files: Sequence[str | Path], folder: Path, stores: Sequence[str]) -> dict:
    """The RO-Crate: every file with its size, hash and what it holds, the software and the configuration.

    The date of publication is that of ``SOURCE_DATE_EPOCH``, else today.
    """
    made = ROCrate(gen_preview=False)
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    day = datetime.fromtimestamp(int(epoch), UTC).date() if epoch else date.today()
    made.datePublished = day.isoformat()
    made.name, made.description = title(config), _summary(config)
    made.license = made.add(
        ContextEntity(
            made,
            f"https://spdx.org/licenses/{config.dataset.license}",
            {"@type": "CreativeWork", "name": config.dataset.license},
        )
    )
    made.creator = [
        made.add(Person(made, f"#{_name(author).replace(' ', '-')}", {"name": _name(author)}))
        for author in about["authors"]
    ]
    software = made.add(
        SoftwareApplication(made, "#h2cm", {"name": "h2cm", "version": versions()["h2cm"], "license": about["license"]})
    )
    made.root_dataset["citation"] = REFERENCE
    made.root_dataset["temporalCoverage"] = f"{config.period.start}/{config.period.end}"
    parts = []
    for file, digest in input_hashes(sorted(map(Path, files))).items():
        where = Path(file).relative_to(folder).as_posix()
        name = Path(file).stem
        properties = {
            "name": name,
            "encodingFormat": "application/x-netcdf",
            "contentSize": str(Path(file).stat().st_size),
            "sha256": digest,
        }
        if (variable := name.rsplit("_", 2)[0]) in OUTPUTS:
            attrs = variable_attributes(variable, "")
            properties |= {"variableMeasured": variable, "description": f"{attrs['long_name']} ({attrs['units']})"}
        parts.append(made.add_file(file, dest_path=where, properties=properties))
    parts += [made.add_dataset(dest_path=f"{store}/", properties={"name": store}) for store in stores]
    made.add(
        ContextEntity(
            made,
            "#run",
            {
                "@type": "CreateAction",
                "name": f"run {config.run}",
                "instrument": {"@id": software.id},
                "result": [{"@id": part.id} for part in parts],
                "object": json.dumps(config.model_dump(mode="json"), sort_keys=True),
            },
        )
    )
    return made.metadata.generate()


def _name(author: dict) -> str:
    return author.get("name") or f"{author['family-names']}, {author['given-names']}"
