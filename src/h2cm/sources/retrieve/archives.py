"""The archives: which files does a part of a product have there, and at which addresses?

Each is a function ``(product, part, there) -> Remotes``. ``there`` are the names that are in our folder
already, for archives where one must order a file before it has an address. The archives' own clients are imported only where
they are used; a missing one, or a missing login, is one message that says what to do.
"""

from __future__ import annotations

import base64
import importlib
import netrc
from calendar import monthrange
from collections.abc import Collection, Iterator
from fnmatch import fnmatch
from itertools import product as combinations
from pathlib import Path, PurePosixPath
from types import ModuleType
from urllib.parse import urlsplit

from h2cm.sources.catalogue import WHOLE, Product
from h2cm.sources.retrieve.transfer import Remote
from h2cm.store import DataError

LOGIN = {
    "https": "",
    "doi": "",
    "earthdata": (
        "Get an account at https://urs.earthdata.nasa.gov, approve the archive's application there if it asks for it, "
        "and put one line into ~/.netrc: machine urs.earthdata.nasa.gov login <name> password <password>"
    ),
    "cds": (
        "Get an account at https://cds.climate.copernicus.eu, accept the licence on the data set's page, and put the two "
        "lines shown at https://cds.climate.copernicus.eu/how-to-api into ~/.cdsapirc"
    ),
    "ads": (
        "Get an account at https://ads.atmosphere.copernicus.eu (it is the one of the CDS), accept the licence on the data "
        "set's page, and put the two lines shown at https://ads.atmosphere.copernicus.eu/how-to-api into ~/.cdsapirc"
    ),
    "icos": (
        "Get an account at https://cpauth.icos-cp.eu, accept the licence in its profile, and run once: "
        "python -c 'from icoscp_core.icos import auth; auth.init_config_file()'"
    ),
}
"""What to do where an archive asks for a login."""

ICOS_DATA = "https://data.icos-cp.eu"
COLLECTION_OF_DOI = """
prefix cpmeta: <http://meta.icos-cp.eu/ontologies/cpmeta/>
select ?collection where { ?collection a cpmeta:Collection ; cpmeta:hasDoi "%s" . }
"""
"""Asks the metadata of the ICOS Carbon Portal (SPARQL) for the collection that has a DOI."""

ADS = "https://ads.atmosphere.copernicus.eu/api"


def client(name: str) -> ModuleType:
    """Import the client of an archive."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise DataError(f"{name} is not installed, and this archive needs it: pip install 'h2cm[retrieve]'") from None


def https(product: Product, part: str, there: Collection[str]) -> list[Remote]:
    """Files at addresses that follow a pattern.

    A ``*`` stands for the names that the catalogue has checksums of; where it has none, for those in the archive's list.
    """
    files = []
    for pattern in addresses(product, part):
        if "*" in pattern:
            known = [pattern.rpartition("/")[0] + "/" + name for name in product.checksums]
            files += [Remote(_name(a), a) for a in known or _listed(pattern) if fnmatch(a, pattern)]
        else:
            files.append(Remote(_name(pattern), pattern))
    return newest(files, product.revision)


def addresses(product: Product, part: str) -> list[str]:
    """The address pattern of a part with everything filled in but ``*``."""
    free = {"year": [part], "month": [f"{month:02d}" for month in product.months], **product.choices}
    filled = []
    for pattern in product.address:
        names = [name for name in free if f"{{{name}}}" in pattern]
        filled += [
            pattern.format(**dict(zip(names, values, strict=True)))
            for values in combinations(*(free[name] for name in names))
        ]
    return filled


def _listed(pattern: str) -> list[str]:
    fsspec = client("fsspec")
    client("aiohttp")
    try:
        return sorted(fsspec.filesystem(urlsplit(pattern).scheme).glob(pattern))
    except (OSError, ValueError) as error:
        raise DataError(f"{urlsplit(pattern).netloc}: the list of files could not be read: {error}") from None


def newest(files: list[Remote], revision: str | None) -> list[Remote]:
    """The last of the files whose names agree up to `revision`: an archive may hold older versions of a file."""
    if revision is None:
        return files
    last = {file.name.split(revision)[0]: file for file in sorted(files, key=lambda file: file.name)}
    return list(last.values())


def doi(product: Product, part: str, there: Collection[str]) -> list[Remote]:
    """Files of a Zenodo or figshare record; pooch asks the archive for names, addresses and checksums."""
    import pooch
    from pooch.downloaders import doi_to_repository

    files = []
    for address in product.address:
        try:
            repository = doi_to_repository(address)
            listing = pooch.create(path=".", base_url="", registry=None)
            repository.populate_registry(listing)
        except Exception as error:  # pooch lets the errors of requests and of the archives' answers through
            raise DataError(f"doi:{address}: the list of files could not be read: {error}") from None
        for name, checksum in listing.registry.items():
            if fnmatch(name, product.pattern(part)):
                files.append(Remote(name, repository.download_url(name), checksum=checksum))
    return files


def earthdata(product: Product, part: str, there: Collection[str]) -> list[Remote]:
    """Granules of a NASA collection, found with earthaccess; the transfer takes the login from ``~/.netrc``."""
    require_netrc("urs.earthdata.nasa.gov", LOGIN["earthdata"])
    earthaccess = client("earthaccess")
    when = {} if part == WHOLE else {"temporal": (f"{part}-01-01", f"{part}-12-31")}
    files = []
    for short_name in product.address:
        try:
            granules = earthaccess.search_data(short_name=short_name, **when, **product.request)
        except Exception as error:  # whatever requests or the catalogue of NASA raise
            raise DataError(f"earthdata: {short_name} could not be searched: {error}") from None
        for granule in granules:
            sizes = _granule_sizes(granule)
            for link in granule.data_links(access="external"):
                if fnmatch(_name(link), product.pattern(part)):
                    files.append(Remote(_name(link), link, *sizes.get(_name(link), (None, None))))
    return files


def _granule_sizes(granule: dict) -> dict[str, tuple[int | None, str | None]]:
    """Size (bytes) and checksum of each file of a granule, where its metadata (UMM-G) gives them."""
    sizes = {}
    for file in granule["umm"].get("DataGranule", {}).get("ArchiveAndDistributionInformation", []):
        checksum = file.get("Checksum", {})
        algorithm = checksum.get("Algorithm", "").lower().replace("-", "")
        known = f"{algorithm}:{checksum['Value']}" if algorithm in ("md5", "sha1", "sha256", "sha512") else None
        sizes[file["Name"]] = (file.get("SizeInBytes"), known)
    return sizes


def icos(product: Product, part: str, there: Collection[str]) -> list[Remote]:
    """Objects of collections of the ICOS Carbon Portal (named by address or DOI), with their SHA-256 sums."""
    client("icoscp_core")
    from icoscp_core.icos import auth, meta

    def collection_of(address: str) -> str:
        """The collection's own address; that of a DOI is what the portal's metadata say."""
        if not address.startswith("10."):
            return address
        found = meta.sparql_select(COLLECTION_OF_DOI % address).bindings
        if len(found) != 1:
            raise DataError(f"doi:{address}: expected one collection of this DOI, found {len(found)}")
        return found[0]["collection"].uri

    try:
        cookie = auth.get_token().cookie_value
    except Exception as error:
        raise DataError(f"ICOS Carbon Portal: no login ({error}). {LOGIN['icos']}") from None
    files = []
    for collection in product.address:
        try:
            members = meta.get_collection_meta(collection_of(collection)).members
        except Exception as error:
            raise DataError(f"ICOS Carbon Portal: {collection} could not be read: {error}") from None
        for member in members:
            if fnmatch(getattr(member, "name", ""), product.pattern(part)):
                digest = base64.urlsafe_b64decode(member.hash + "=" * (-len(member.hash) % 4)).hex()
                address = ICOS_DATA + urlsplit(member.res).path
                files.append(Remote(member.name, address, None, f"sha256:{digest}", (f"Cookie: {cookie.rstrip(';')}",)))
    return files


def copernicus(product: Product, part: str, there: Collection[str]) -> Iterator[Remote]:
    """Files that a Copernicus data store (CDS or ADS) makes to order, one a month; slow, so only those not there yet."""
    cdsapi = client("cdsapi")
    try:
        _, key, _ = cdsapi.api.get_url_key_verify(None, None, None)
        store = cdsapi.Client(url=ADS if product.access == "ads" else None, key=key, progress=False)
    except Exception as error:
        raise DataError(f"{product.access.upper()}: no login ({error}). {LOGIN[product.access]}") from None
    for month in product.months:
        name = product.files[0].replace("{year}", part).replace("??", f"{month:02d}")
        if name in there:
            yield Remote(name, "")
            continue
        try:
            result = store.retrieve(product.address[0], fill(product.request, part, month))
        except Exception as error:
            raise DataError(
                f"{product.access.upper()}: {name} was not made: {error}. {LOGIN[product.access]}"
            ) from None
        yield Remote(name, result.location, int(result.content_length))


def fill(request: object, year: str, month: int) -> object:
    """A request with ``{year}``, ``{month}`` and ``{last}`` (day of the month) filled in, however deep they stand."""
    if isinstance(request, dict):
        return {key: fill(value, year, month) for key, value in request.items()}
    if isinstance(request, list | tuple):
        return [fill(value, year, month) for value in request]
    if isinstance(request, str):
        return request.format(year=year, month=f"{month:02d}", last=f"{monthrange(int(year), month)[1]:02d}")
    return request


def require_netrc(machine: str, advice: str) -> None:
    """Refuse early if ``~/.netrc`` has no login for `machine`."""
    try:
        known = netrc.netrc(Path.home() / ".netrc").authenticators(machine)
    except FileNotFoundError:
        known = None
    except netrc.NetrcParseError as error:
        raise DataError(f"~/.netrc cannot be read: {error}") from None
    if known is None:
        raise DataError(f"no login for {machine} in ~/.netrc. {advice}")


def _name(address: str) -> str:
    return PurePosixPath(urlsplit(address).path).name


ARCHIVES = {
    "https": https,
    "doi": doi,
    "earthdata": earthdata,
    "icos": icos,
    "cds": copernicus,
    "ads": copernicus,
}
