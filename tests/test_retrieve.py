"""Retrieval of whole parts of products: what the archives hold, what is there, what a person must do."""

import base64
import hashlib
import json
import shutil
import sys
import zipfile
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import pooch.downloaders
import pytest

from fake_oneflux import tables, write_zip
from h2cm import config
from h2cm.sources import catalogue, retrieve
from h2cm.sources.retrieve import archives
from h2cm.sources.towers import oneflux
from h2cm.store import DataError
from loopback import serve
from test_catalogue import ROW
from test_transfer import QUICK, names, netcdf

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture
def archive(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    with serve() as archive:
        yield archive


@pytest.fixture
def content(tmp_path):
    return netcdf(tmp_path / "source.nc")


@pytest.fixture
def row(monkeypatch):
    """Sets the catalogue to one product ``x``."""

    def set_row(**change):
        rows = catalogue.parse({"x": {**ROW, **change}})
        monkeypatch.setattr(catalogue, "load", lambda: rows)
        return rows["x"]

    return set_row


def test_years_come_apart_and_are_listed(archive, content, row, tmp_path):
    for year in (2001, 2002):
        archive.add(f"{year}/day_{year}.nc", content)
    row(address=archive.address + "/{year}/day_{year}.nc", files="day_{year}.nc")
    files = retrieve.retrieve("x", "2001", tmp_path / "data", **QUICK)
    assert list(files["file"]) == ["x/day_2001.nc"]
    assert files["bytes"][0] == len(content)
    assert files["sha256"][0] == hashlib.sha256(content).hexdigest()
    assert files["address"][0] == f"{archive.address}/2001/day_2001.nc"
    assert [path for path, _ in archive.requests] == ["/2001/day_2001.nc"]
    retrieve.retrieve("x", "2002", tmp_path / "data", **QUICK)
    assert [path for path, _ in archive.requests] == ["/2001/day_2001.nc", "/2002/day_2002.nc"]


def test_what_is_there_needs_no_network(archive, content, row, tmp_path):
    archive.add("2001.nc", content)
    product = row(address=archive.address + "/{year}.nc")
    first = retrieve.retrieve("x", "2001", tmp_path / "data", **QUICK)
    row(**{**ROW, "address": "http://127.0.0.1:9/{year}.nc"})
    assert retrieve.retrieve("x", "2001", tmp_path / "data", attempts=1).equals(first)
    assert len(archive.requests) == 1
    (tmp_path / "data" / "x" / "2001.nc").write_bytes(content[:-1])
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9"):
        retrieve.retrieve("x", "2001", tmp_path / "data", attempts=1)
    assert product.parts(2001, 2001) == ["2001"]


def test_interrupted_part_goes_on(archive, content, row, tmp_path):
    for month in (1, 2, 3):
        archive.add(f"2001{month:02d}.nc", content, *(["404"] if month == 3 else []))
    row(address=archive.address + "/{year}{month}.nc", files="{year}??.nc", months=[1, 2, 3])
    with pytest.raises(DataError, match=r"200103\.nc.*404"):
        retrieve.retrieve("x", "2001", tmp_path / "data", **QUICK)
    assert "x_2001.csv" not in names(tmp_path / "data")
    asked = len(archive.requests)
    assert len(retrieve.retrieve("x", "2001", tmp_path / "data", **QUICK)) == 3
    assert asked <= len(archive.requests) <= 4


def test_listing_of_the_archive_and_revisions(archive, content, row, tmp_path):
    pytest.importorskip("aiohttp")
    for name in ("d20010101_c1.nc", "d20010101_c2.nc", "d20010102_c1.nc", "readme.txt", "d20020101_c1.nc"):
        archive.add(f"2001/{name}", content)
    row(address=archive.address + "/{year}/d{year}*_c*.nc", files="d{year}????_c?.nc", revision="_c")
    files = retrieve.retrieve("x", "2001", tmp_path / "data", **QUICK)
    assert list(files["file"]) == ["x/d20010101_c2.nc", "x/d20010102_c1.nc"]


def test_names_that_the_catalogue_knows_are_not_looked_up(archive, content, row, tmp_path):
    archive.add("g_2001_beta.nc", content)
    sums = {"g_2001_beta.nc": "sha256:" + hashlib.sha256(content).hexdigest(), "g_2002.nc": "sha256:" + "0" * 64}
    row(address=archive.address + "/g_{year}*.nc", files="g_{year}*.nc", checksums=sums)
    assert list(retrieve.retrieve("x", "2001", tmp_path / "data", **QUICK)["file"]) == ["x/g_2001_beta.nc"]
    assert [path for path, _ in archive.requests] == ["/g_2001_beta.nc"]
    archive.add("g_2002.nc", content)
    with pytest.raises(DataError, match="wrong checksum"):
        retrieve.retrieve("x", "2002", tmp_path / "data", **QUICK)


def test_nothing_found_is_an_error(archive, row, tmp_path):
    pytest.importorskip("aiohttp")
    archive.add("2001/other.nc", b"x")
    row(address=archive.address + "/{year}/d{year}*.nc", files="d{year}*.nc")
    with pytest.raises(DataError, match=r"x \(2001\): https .* there is no file d2001\*\.nc"):
        retrieve.retrieve("x", "2001", tmp_path / "data", **QUICK)


def test_doi_gives_names_addresses_and_checksums(archive, row, tmp_path, monkeypatch):
    packed = tmp_path / "store.zip"
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("store/mask/.zarray", "{}")
    address = archive.add("api/store.zip", packed.read_bytes())

    class Record:
        def populate_registry(self, listing):
            listing.registry["store.zip"] = "md5:" + hashlib.md5(packed.read_bytes()).hexdigest()

        def download_url(self, name):
            return address

    monkeypatch.setattr(pooch.downloaders, "doi_to_repository", lambda doi: Record())
    row(access="doi", address="10.5281/zenodo.1", files="*", format="zarr")
    files = retrieve.retrieve("x", "all", tmp_path / "data", **QUICK)
    assert list(files["file"]) == ["x/store/store/mask/.zarray", "x/store.zip"]
    retrieve.retrieve("x", "all", tmp_path / "data", **QUICK)
    assert len(archive.requests) == 1


def test_earthdata_finds_granules(archive, content, row, tmp_path, monkeypatch):
    searches = []

    class Granule(dict):
        def data_links(self, access):
            return [archive.add("g.2001.nc", content), archive.address + "/g.2001.nc.md5"]

    info = {"Name": "g.2001.nc", "SizeInBytes": len(content), "Checksum": {"Algorithm": "SHA-256", "Value": "0" * 64}}
    granule = Granule(umm={"DataGranule": {"ArchiveAndDistributionInformation": [info]}})
    module = ModuleType("earthaccess")
    module.search_data = lambda **query: searches.append(query) or [granule]
    monkeypatch.setitem(sys.modules, "earthaccess", module)
    row(access="earthdata", address="SHORT", files="g.{year}.nc", request={"version": "061"})
    with pytest.raises(DataError, match=r"no login for urs\.earthdata\.nasa\.gov in ~/\.netrc\. Get an account"):
        retrieve.retrieve("x", "2001", tmp_path / "data", **QUICK)
    (tmp_path / "home" / ".netrc").write_text("machine urs.earthdata.nasa.gov login me password secret\n")
    with pytest.raises(DataError, match="wrong checksum"):
        retrieve.retrieve("x", "2001", tmp_path / "data", **QUICK)
    info["Checksum"]["Value"] = hashlib.sha256(content).hexdigest()
    info["SizeInBytes"] = 10**18
    with pytest.raises(DataError, match=r"x \(2001\): 1000000000\.0 GB to be written into .*, which has .* GB left"):
        retrieve.retrieve("x", "2001", tmp_path / "data", **QUICK)
    info["SizeInBytes"] = len(content)
    assert len(retrieve.retrieve("x", "2001", tmp_path / "data", **QUICK)) == 1
    assert searches[-1] == {"short_name": "SHORT", "temporal": ("2001-01-01", "2001-12-31"), "version": "061"}
    assert not any(path.endswith(".md5") for path, _ in archive.requests)


def test_icos_takes_sums_from_the_collection(content, row, monkeypatch):
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    members = [
        SimpleNamespace(name="GPP_2001_050_monthly.nc", hash=digest, res="https://meta.icos-cp.eu/objects/abc"),
        SimpleNamespace(name="GPP_2001_025_daily.nc", hash=digest, res="https://meta.icos-cp.eu/objects/def"),
        SimpleNamespace(title="a collection", hash=digest, res="https://meta.icos-cp.eu/collections/ghi"),
    ]
    token = SimpleNamespace(cookie_value="cpauthToken=abc;")
    package, module = ModuleType("icoscp_core"), ModuleType("icoscp_core.icos")
    module.auth = SimpleNamespace(get_token=lambda: token)
    module.meta = SimpleNamespace(get_collection_meta=lambda uri: SimpleNamespace(members=members))
    monkeypatch.setitem(sys.modules, "icoscp_core", package)
    monkeypatch.setitem(sys.modules, "icoscp_core.icos", module)
    product = row(access="icos", address="https://meta.icos-cp.eu/collections/x", files="*_{year}_050_monthly.nc")
    (file,) = archives.icos(product, "2001", ())
    assert file.address == "https://data.icos-cp.eu/objects/abc"
    assert file.checksum == "sha256:" + hashlib.sha256(content).hexdigest()
    assert file.headers == ("Cookie: cpauthToken=abc",)

    def no_login():
        raise Exception("Authentication config file not found")

    module.auth.get_token = no_login
    with pytest.raises(DataError, match=r"no login .*init_config_file"):
        archives.icos(product, "2001", ())


def test_the_towers_come_by_their_doi_and_stay_archives(archive, monkeypatch, tmp_path):
    """The client itself, its portal replaced by one on loopback that answers as ICOS's metadata do."""
    from icoscp_core.icos import ICOS_CONFIG, auth, meta

    zips = {}
    for name in ("FLX_AA-One_FLUXNET2015_FULLSET_2000-2001_beta-3.zip", "FLX_AA-One_FLUXNET2015_AUX_beta-3.zip"):
        zips[name] = write_zip(tmp_path / name[:-4], "AA-One", *tables()).read_bytes()
    members = [
        {
            "res": archive.add(f"objects/{number}", content),
            "hash": base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("="),
            "name": name,
        }
        for number, (name, content) in enumerate(zips.items())
    ]
    about = {"uri": "x", "label": None, "comments": []}
    organisation = {"self": about, "name": "ETC", "email": None, "website": None, "webpageDetails": None}
    collection = {
        "res": archive.address + "/collections/abc",
        "hash": "abc",
        "members": members,
        "creator": organisation,
        "title": "towers",
        "latestVersion": "x",
        "parentCollections": [],
        "references": {"citationString": "x"},
    }
    archive.add("collections/abc", json.dumps(collection).encode())
    row = {"collection": {"type": "uri", "value": collection["res"]}}
    answer = {"head": {"vars": ["collection"]}, "results": {"bindings": [row]}}
    archive.add("sparql", json.dumps(answer).encode())
    monkeypatch.setattr(meta, "_envri_conf", replace(ICOS_CONFIG, sparql_endpoint=archive.address + "/sparql"))
    monkeypatch.setattr(auth, "get_token", lambda: SimpleNamespace(cookie_value="cpauthToken=abc"))
    monkeypatch.setattr(archives, "ICOS_DATA", archive.address)
    files = retrieve.retrieve("warm_winter", "all", tmp_path / "data", **QUICK)
    assert files["file"].tolist() == ["warm_winter/FLX_AA-One_FLUXNET2015_FULLSET_2000-2001_beta-3.zip"]
    found = oneflux.find([tmp_path / "data" / "warm_winter"])
    assert oneflux.read(found["AA-One"]).site == "AA-One"
    assert not any(path.is_dir() for path in (tmp_path / "data" / "warm_winter").iterdir() if path.name[0] != ".")
    answer["results"]["bindings"] = []
    archive.add("sparql", json.dumps(answer).encode())
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(DataError, match=r"doi:10.18160/2G60-ZHAK: expected one collection of this DOI, found 0"):
        retrieve.retrieve("warm_winter", "all", tmp_path / "data", **QUICK)


@pytest.mark.parametrize("access", ["cds", "ads"])
def test_copernicus_orders_only_what_is_not_there(archive, content, row, tmp_path, monkeypatch, access):
    orders = []

    class Client:
        def __init__(self, url, key, progress):
            assert key == "secret"
            assert url == (archives.ADS if access == "ads" else None)

        def retrieve(self, name, request):
            orders.append((name, request))
            return SimpleNamespace(location=archive.add("made.nc", content), content_length=len(content))

    module = ModuleType("cdsapi")
    module.api = SimpleNamespace(get_url_key_verify=lambda *a: ("url", "secret", True))
    module.Client = Client
    monkeypatch.setitem(sys.modules, "cdsapi", module)
    row(
        access=access,
        address="name",
        files="t_{year}??.nc",
        months=[1, 2],
        request={"year": ["{year}"], "date": "{year}-{month}-01/{year}-{month}-{last}", "grid": [1.0, 1.0]},
    )
    (tmp_path / "data" / "x").mkdir(parents=True)
    (tmp_path / "data" / "x" / "t_200101.nc").write_bytes(content)
    files = retrieve.retrieve("x", "2001", tmp_path / "data", **QUICK)
    assert list(files["file"]) == ["x/t_200101.nc", "x/t_200102.nc"]
    assert orders == [("name", {"year": ["2001"], "date": "2001-02-01/2001-02-28", "grid": [1.0, 1.0]})]

    def no_key(*arguments):
        raise Exception("Missing/incomplete configuration file")

    module.api.get_url_key_verify = no_key
    with pytest.raises(DataError, match=rf"{access.upper()}: no login .*~/\.cdsapirc"):
        retrieve.retrieve("x", "2002", tmp_path / "data", **QUICK)


@pytest.mark.parametrize(
    ("access", "name"), [("earthdata", "earthaccess"), ("cds", "cdsapi"), ("icos", "icoscp_core"), ("https", "fsspec")]
)
def test_a_missing_client_is_one_message(row, tmp_path, monkeypatch, access, name):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine urs.earthdata.nasa.gov login me password secret\n")
    monkeypatch.setitem(sys.modules, name, None)
    row(access=access, address="https://x.org/{year}*.nc", request={"a": "b"})
    with pytest.raises(DataError, match=rf"{name} is not installed.*pip install 'h2cm\[retrieve\]'"):
        retrieve.retrieve("x", "2001", tmp_path / "data")


def test_a_login_page_says_how_to_log_in(archive, content, row, tmp_path):
    archive.add("2001.nc", content, "401")
    row(address=archive.address + "/{year}.nc")
    with pytest.raises(DataError, match="a login is missing or wrong"):
        retrieve.retrieve("x", "2001", tmp_path / "data", **QUICK)


BY_HAND = {"access": "by hand", "address": "https://order.org", "instructions": "Order the files."}


def test_by_hand_the_message_names_page_files_and_folder(row, tmp_path):
    row(**BY_HAND)
    with pytest.raises(
        DataError, match=r"no file 2001\.nc in .*data/x: X is fetched by hand\. Order the files\. Page: https"
    ):
        retrieve.retrieve("x", "2001", tmp_path / "data")


def test_by_hand_files_are_checked_and_listed(content, row, tmp_path):
    row(**BY_HAND)
    folder = tmp_path / "data" / "x"
    folder.mkdir(parents=True)
    (folder / "2001.nc").write_bytes(content)
    assert list(retrieve.retrieve("x", "2001", tmp_path / "data")["file"]) == ["x/2001.nc"]
    (folder / "2002.nc").write_bytes(content[:5000])
    with pytest.raises(DataError, match=r"2002\.nc: the netcdf file is damaged or truncated"):
        retrieve.retrieve("x", "2002", tmp_path / "data")


def test_own_files_stand_for_any_product(content, row, tmp_path):
    row()
    own = {"folder": str(tmp_path / "mine"), "pattern": "sub/t{year}_*.nc"}
    with pytest.raises(DataError, match=r"no file sub/t2001_\*\.nc in .*mine: correct products\.local\.x"):
        retrieve.retrieve("x", "2001", tmp_path / "data", own)
    (tmp_path / "mine" / "sub").mkdir(parents=True)
    (tmp_path / "mine" / "sub" / "t2001_a.nc").write_bytes(content)
    files = retrieve.retrieve("x", "2001", tmp_path / "data", own)
    assert list(files["file"]) == ["../mine/sub/t2001_a.nc"]


def test_parts_of_the_study_are_known_without_network():
    study = config.load(catalogue.PATH.with_name("paper.yaml"))
    parts = retrieve.parts(study)
    assert ("gpcp", "2001") in parts
    assert ("gpcp", "2019") in parts
    assert ("cams_co2", "2001") not in parts  # the archive starts in 2003
    assert ("grace", "all") in parts
    assert len(parts) == len(set(parts))
    assert retrieve.parts(study, "nee_carboscope") == [
        ("carboscope", "all"),
        *(("gfed", str(year)) for year in range(2001, 2020)),
    ]
    assert {name for name, _ in retrieve.parts(study, "fluxcom")} == {"fluxcom"}


def test_adding_one_year_adds_one_part_of_each_product():
    study = config.load(catalogue.PATH.with_name("paper.yaml"))
    longer = study.model_copy(
        update={"period": study.period.model_copy(update={"end": study.period.end.replace(year=2020)})}
    )
    more = set(retrieve.parts(longer)) - set(retrieve.parts(study))
    assert {part for _, part in more} == {"2020"}
    assert len(more) == len({name for name, _ in more})


def test_own_pattern_says_whether_there_are_years():
    study = config.load(catalogue.PATH.with_name("paper.yaml"))
    local = {"cams_co2": {"folder": "x", "pattern": "{year}.nc"}, "gpcp": {"folder": "x", "pattern": "*.nc"}}
    study = study.model_copy(update={"products": study.products.model_copy(update={"local": local})})
    parts = retrieve.parts(study)
    assert ("cams_co2", "2001") in parts
    assert [part for name, part in parts if name == "gpcp"] == ["all"]
