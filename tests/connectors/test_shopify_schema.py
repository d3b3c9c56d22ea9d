"""Shopify: every document against the schemas that Shopify publishes, the samples and the twin's schema too.

The schemas come from the npm package `@shopify/dev-mcp`, once, into a folder outside the repository. Without npm or a
network these tests are skipped; nothing else needs them.
"""

import gc
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from shopify_kit import sample

from connectors.shops.shopify_api import DOCUMENTS, VERSION
from connectors.shops.shopify_orders import BY_SERVICE, FINANCIAL, FULFILLMENT, KINDS, NO_PARCEL, RETURN, VOID
from connectors.simulated import shopify as twin

graphql = pytest.importorskip("graphql", reason="graphql-core is not installed (the dev extra)")

PACKAGE, SHA256 = "@shopify/dev-mcp@1.16.0", "4663c79229028e98f825a09d5f04ec6c3736331b740ce50260f9ffac10709474"
VERSIONS = ("2026-07", "2026-10", "unstable")
CACHE = Path(os.environ.get("SHIPDECK_TEST_CACHE") or tempfile.gettempdir()) / "shipdeck-shopify-1.16.0"


def _fetched() -> str:
    """Put the schemas into the cache; why that could not be done, '' when they are there."""
    if all((CACHE / f"admin_{version}.json.gz").exists() for version in VERSIONS):
        return ""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed, so Shopify's published schemas cannot be had"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            done = subprocess.run([npm, "pack", PACKAGE, "--silent"], cwd=folder, capture_output=True, timeout=60)
        except subprocess.TimeoutExpired:
            return "npm did not answer in time"
        archives = list(folder.glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            return "npm could not get the package of Shopify's schemas"
        if hashlib.sha256(archives[0].read_bytes()).hexdigest() != SHA256:
            return "the package of Shopify's schemas is another one than expected"
        ready = folder / "ready"
        ready.mkdir()
        with tarfile.open(archives[0]) as archive:
            for version in VERSIONS:
                member = archive.extractfile(f"package/dist/data/admin_{version}.json.gz")
                assert member is not None
                (ready / f"admin_{version}.json.gz").write_bytes(member.read())
        CACHE.mkdir(parents=True, exist_ok=True)
        for file in ready.iterdir():
            # Whole or not at all, whoever else does the same at this moment.
            beside = CACHE / f".{file.name}.{os.getpid()}"
            shutil.copyfile(file, beside)
            beside.replace(CACHE / file.name)
    return ""


@lru_cache
def schema(version: str) -> Any:
    """A published schema; skips the test that asks where it cannot be had."""
    if reason := _fetched():
        pytest.skip(reason)
    whole = json.loads(gzip.decompress((CACHE / f"admin_{version}.json.gz").read_bytes()))
    # A million objects and none of them garbage: to look for some again and again would take as long as to build them.
    gc.disable()
    try:
        # Shopify's own schema deprecates fields its interfaces do not: assumed valid, or graphql-core 3.3 refuses it.
        return graphql.build_client_schema(whole["data"], assume_valid=True)
    finally:
        gc.enable()


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """The schemas are let go of after this module."""
    yield
    schema.cache_clear()


def problems(version: str, text: str) -> list[str]:
    return [error.message for error in graphql.validate(schema(version), graphql.parse(text))]


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
@pytest.mark.parametrize("version", VERSIONS)
def test_every_document_is_valid(version: str, name: str) -> None:
    assert problems(version, DOCUMENTS[name]) == []


def test_what_the_schema_does_not_know_is_found() -> None:
    assert problems("2026-10", DOCUMENTS["Health"].replace("currencyCode", "paidAt")) != []
    assert VERSION == "2026-10"


def test_the_bulk_documents_are_what_a_bulk_operation_takes() -> None:
    from connectors.simulated.shopify_engine import Engine

    text = DOCUMENTS["Bulk"].replace("FILTER", "created_at:>='2026-11-22T05:40:00Z'")
    assert problems("2026-10", text) == []
    assert Engine(lambda *_all: None).bulk_problem(text) == ""


@pytest.mark.parametrize("name", ["paid_and_edited", "redacted_on_hold"])
def test_the_samples_have_the_exact_shape_of_an_answer(name: str) -> None:
    order = sample(name)
    result = graphql.execute_sync(
        schema("2026-10"),
        graphql.parse(DOCUMENTS["OrdersById"]),
        root_value={"nodes": [order]},
        variable_values={"ids": [order["id"]], "lines": 5},
        type_resolver=lambda _value, _info, _type: "Order",
    )
    assert result.errors is None
    assert result.data == {"nodes": [order]}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("OrderDisplayFinancialStatus", FINANCIAL),
        ("OrderDisplayFulfillmentStatus", FULFILLMENT),
        ("OrderReturnStatus", RETURN),
        ("DeliveryMethodType", KINDS.keys() | NO_PARCEL),
    ],
)
def test_every_value_that_the_schema_has_is_known(version: str, name: str, known: frozenset[str]) -> None:
    assert set(schema(version).get_type(name).values) <= known


def test_words_that_decide_are_words_of_the_schema() -> None:
    assert set(schema("2026-10").get_type("FulfillmentStatus").values) >= VOID
    assert set(schema("2026-10").get_type("FulfillmentOrderRequestStatus").values) >= BY_SERVICE
    assert "CREATE_FULFILLMENT" in schema("2026-10").get_type("FulfillmentOrderAction").values


def parts(found: Any) -> Iterator[tuple[str, str]]:
    """(path, type) of everything in a schema."""
    for name, kind in found.type_map.items():
        if name.startswith("__"):
            continue
        for field, one in getattr(kind, "fields", {}).items():
            yield f"{name}.{field}", str(one.type)
            for argument, given in getattr(one, "args", {}).items():
                yield f"{name}.{field}({argument})", str(given.type)
        for value in getattr(kind, "values", {}):
            yield f"{name}.{value}", "value"
    for directive in (one for one in found.directives if one.name == "idempotent"):
        for argument, given in directive.args.items():
            yield f"@{directive.name}({argument})", str(given.type)


def test_the_twins_schema_is_part_of_the_published_one() -> None:
    ours = graphql.build_schema(Path(twin.__file__).with_suffix(".graphql").read_text(encoding="utf-8"))
    theirs = dict(parts(schema("2026-10")))
    wrong = {path: (kind, theirs.get(path)) for path, kind in parts(ours) if theirs.get(path) != kind}
    assert wrong == {}
