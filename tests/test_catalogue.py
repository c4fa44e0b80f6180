"""The catalogue of products: complete, checked, and the source of Table 1."""

import re
from datetime import date

import pytest

from h2cm import config
from h2cm.config import ConfigError
from h2cm.sources import catalogue
from h2cm.sources.harmonise import products_of
from h2cm.sources.products.values import is_monthly
from h2cm.units import conversion
from h2cm.vocabulary import VARIABLES

IDS = [
    "gpcp",
    "ceres",
    "crujra",
    "era5",
    "cams_co2",
    "mauna_loa",
    "soilgrids",
    "globeland30",
    "gtopo30",
    "tootchi",
    "grace",
    "modis_fapar",
    "globsnow",
    "fluxcom",
    "grun",
    "oco2_mip",
    "carboscope",
    "gfed",
    "trendy",
    "transcom",
    "published",
    "simulations",
    "warm_winter",
]

ROW = {
    "label": "x",
    "name": "X",
    "version": "1",
    "role": "forcing",
    "access": "https",
    "address": "https://x.org/{year}.nc",
    "files": "{year}.nc",
    "format": "netcdf",
    "layout": {"text": "x(time, lat, lon)"},
    "known": {"documented": "https://x.org"},
    "variables": {"x": {"name": "x", "unit": "K", "store_unit": "K"}},
    "space": "1°",
    "time": "daily",
    "period": [2001, 2003],
    "citation": "X (2001)",
    "doi": "10.1/x",
    "licence": "free",
    "source": "https://x.org",
}


def test_has_all_products_of_the_study():
    assert sorted(catalogue.load()) == sorted(IDS)


def test_every_target_and_every_forcing_has_a_product():
    fed = {name for row in catalogue.load().values() if row.role != "published" for name in row.feeds}
    wanted = {v.name for v in VARIABLES.values() if v.role in ("forcing", "static", "constraint")}
    assert fed == wanted - {"nee"}  # towers only


def test_units_of_the_files_can_be_turned_into_those_of_the_store():
    for name, row in catalogue.load().items():
        for variable in row.variables.values():
            if not is_monthly(variable.unit[0]):
                scale, _ = conversion(variable.unit[0], variable.store_unit)
                assert scale > 0, name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"role": "forcings"}, r"products: x\.role: .*'forcings'"),
        ({"colour": "red"}, r"x\.colour: Extra inputs"),
        ({"source": []}, r"x\.source: "),
        ({"address": "https://x.org/{depth}.nc"}, r"x: .*names \['depth'\]"),
        ({"access": "by hand"}, "needs `instructions`"),
        ({"access": "cds"}, "needs a `request`"),
        ({"period": None}, "needs a `period`"),
        ({"feeds": ["tempr"]}, r"feeds \['tempr'\]"),
        ({"variables": {"x": {"name": "x", "unit": "K", "store_unit": "K", "sign": 2}}}, r"x\.variables\.x\.sign"),
    ],
)
def test_a_wrong_row_is_refused_with_its_key(change, message):
    with pytest.raises(ConfigError, match=message):
        catalogue.parse({"x": {**ROW, **change}}, "products")


def test_a_missing_key_is_named():
    with pytest.raises(ConfigError, match=r"x\.licence: Field required"):
        catalogue.parse({"x": {k: v for k, v in ROW.items() if k != "licence"}})


def test_parts_are_the_years_that_the_archive_has():
    row = catalogue.parse({"x": ROW})["x"]
    assert row.parts(1999, 2002) == ["2001", "2002"]
    assert catalogue.product("grace").parts(1999, 2002) == [catalogue.WHOLE]


def test_unknown_product():
    with pytest.raises(ConfigError, match="no product 'gpcc'; there are gpcp, "):
        catalogue.product("gpcc")


@pytest.mark.parametrize("name", ["paper", "published"])
def test_configurations_of_the_study(name):
    run = config.load(catalogue.PATH.with_name(f"{name}.yaml"))
    assert run.period.start == date(2001, 1, 1)
    assert run.period.end == date(2019, 12, 31)
    assert (run.grid.resolution, run.split.folds) == (1.0, 10)
    swept = config.sweeps(run)
    compared = ["cv", "process_only", "gradient_boosting", "lstm", "prior", "spatiotemporal"]
    assert [name for name in run.experiments if name not in swept] == compared
    assert len(swept) == len(run.experiments["prior"].sweep.multiples)
    assert set(run.constraints) == {
        *("tws", "swe", "fapar", "et", "gpp", "runoff", "nee_oco2", "nee_carboscope", "cue"),
    }
    wanted = set(IDS) - {"published", "simulations", "warm_winter"} if name == "paper" else {"published"}
    assert set(catalogue.needed(run)) == wanted


def test_the_studys_configurations_differ_in_their_source_only():
    runs = [config.load(catalogue.PATH.with_name(f"{name}.yaml")) for name in ("paper", "published")]
    first, second = (run.model_dump(exclude={"run", "source"}) for run in runs)
    assert first == second


def test_table_has_the_rows_of_table_1(shared):
    """Resolution and period of each row of the paper's Table 1 are found beside its name."""
    paper = next((shared / "paper").glob("001_*.txt")).read_text()
    lines = re.findall(r"^\| (\w[^|]+)\| ([^|]+)\| ([^|]+)\| (\d{4}-\d{4}|-) *\| ([^|]+)\|", paper, re.MULTILINE)
    assert len(lines) == 17
    ours = {tuple(row) for row in catalogue.table()[["spatial resolution", "period studied"]].to_numpy()}
    for _, space, _, period, product in lines:
        if product.strip() in ("CAMS", "Jena CarboScope"):
            continue  # the paper gives 1°, to which it had aggregated them; the archives have 0.75° and 2° x 2.5°
        assert (space.strip().replace("500m", "500 m"), period.strip()) in ours, product


def test_table_is_complete():
    table = catalogue.table()
    assert len(table) == len(IDS) - 2  # towers and simulations are no products of Table 1
    assert not table.isna().any().any()
    assert (table != "").all().all()


def test_catalogue_and_readers_agree_on_what_a_variable_is_made_of():
    for name in ("net_radiation", "precipitation", "air_temperature", "vapour_pressure_deficit", "co2", "static"):
        assert set(products_of(name)) == fed(name), name
    for name in config.load(catalogue.PATH.with_name("paper.yaml")).constraints:
        assert set(products_of(name)) == fed(name), name


def fed(name):
    return {key for key, row in catalogue.load().items() if name in row.feeds and row.role != "published"}


def test_documentation_has_each_product_with_its_access_and_size():
    text = (catalogue.PATH.parents[1] / "docs" / "data.md").read_text()
    text = text.partition("<!-- made: known -->")[0]  # before the table of how they are known
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|$", text, re.MULTILINE))
    assert sorted(rows) == sorted(IDS)
    for name, row in catalogue.load().items():
        access, size = rows[name].split(" | ")[1:3]
        assert access.startswith(row.access), name
        assert size == ("?" if row.gigabytes is None else f"{row.gigabytes:g}"), name


def test_documentation_says_how_each_layout_is_known():
    table = catalogue.known_table()
    for name, row in catalogue.load().items():
        assert f"| `{name}` | {row.known.best} |" in table


def test_a_layout_must_be_known_somehow():
    with pytest.raises(ConfigError, match=r"x\.known: .*expected `seen`, `read_by_others` or `documented`"):
        catalogue.parse({"x": {**ROW, "known": {"open": "all"}}})


def test_facts_of_the_layout_and_of_the_citation_are_hashed_apart(monkeypatch):
    """Another unit changes what is read, another citation what is printed; words of explanation change neither."""

    def hashes(**change):
        rows = catalogue.parse({"x": {**ROW, **change}})
        monkeypatch.setattr(catalogue, "load", lambda: rows)
        return [catalogue.row_hash("x", facts) for facts in (catalogue.LAYOUT_FACTS, catalogue.CITATION_FACTS)]

    layout, citation = hashes()
    other = {"x": {"name": "x", "unit": "degC", "store_unit": "K"}}
    assert hashes(variables=other)[0] != layout and hashes(variables=other)[1] == citation
    assert (
        hashes(citation="Y (2002)") == [layout, hashes(citation="Y (2002)")[1]] and hashes(citation="Y")[1] != citation
    )
    assert hashes(layout={"text": "other words"}, note="seen", instructions="ask") == [layout, citation]


def test_table_1_prints_what_the_citation_facts_say():
    """`table` reads no other key of a row: else an edit would leave it stale."""
    rows, read = catalogue.load(), set()

    class Row:
        def __init__(self, row):
            self.row = row

        def __getattr__(self, key):
            read.add(key)
            return getattr(self.row, key)

    catalogue.load, kept = lambda: {name: Row(row) for name, row in rows.items()}, catalogue.load
    try:
        catalogue.table()
    finally:
        catalogue.load = kept
    assert read <= set(catalogue.CITATION_FACTS)
