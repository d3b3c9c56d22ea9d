"""Bulk operations of the simulated Shopify shop: a document run over everything, and its file of lines with byte ranges."""

import json
import re
from collections.abc import Callable
from typing import Any

from connectors.simulated.server import Answer, Request
from connectors.simulated.shopify_engine import Engine
from connectors.simulated.shopify_world import Thing, World, gid, number_of, stamp


class Bulks:
    """The operations of one app. `root` gives the schema's root, `base` where the twin listens."""

    def __init__(self, engine: Engine, world: World, root: Callable[[], Thing], base: Callable[[], str]) -> None:
        self._engine, self._world, self._root, self._base = engine, world, root, base
        self.all: dict[str, Thing] = {}
        self.polls, self.ends, self.ranges, self.file_status = 1, "COMPLETED", True, 200
        """After how many looks an operation ends, and how; whether the file is served in ranges, and at all."""
        self.cut = 0
        """From this byte on the file's ranges come empty; 0 = they never do."""
        self.planted = ""
        """A file to serve in place of the operation's own."""
        self.served: list[str] = []
        """The ranges that were asked for."""

    def start(self, query: str, groupObjects: bool = False) -> Thing:
        """`bulkOperationRunQuery`: what the document finds now is what the file will hold."""
        if problem := self._engine.bulk_problem(query):
            return {"bulkOperation": None, "userErrors": [{"code": "INVALID", "field": ["query"], "message": problem}]}
        if any(one["status"] in {"CREATED", "RUNNING"} for one in self.all.values()):
            text = "A bulk query operation for this app and shop is already in progress."
            return {
                "bulkOperation": None,
                "userErrors": [{"code": "OPERATION_IN_PROGRESS", "field": None, "message": text}],
            }
        id_ = gid("BulkOperation", 880 + len(self.all))
        file = b"" if self.planted else self._lines(query, groupObjects)
        operation: Thing = {
            "__typename": "BulkOperation",
            "id": id_,
            "status": "CREATED",
            "errorCode": None,
            "url": None,
        }
        operation |= {"createdAt": stamp(self._world.now()), "query": query, "polled": 0, "file": file, "type": "QUERY"}
        operation |= {"objectCount": str(file.count(b"\n")), "rootObjectCount": "0"}
        self.all[id_] = operation
        return {"bulkOperation": operation, "userErrors": []}

    def poll(self, id: str) -> Thing | None:
        """An operation as it stands; being looked at is what moves it on."""
        operation = self.all.get(id)
        if operation is not None and operation["status"] in {"CREATED", "RUNNING"}:
            operation["polled"] += 1
            operation["status"] = "RUNNING" if operation["polled"] < self.polls else self.ends
            if operation["status"] == "FAILED":
                operation["errorCode"] = "INTERNAL_SERVER_ERROR"
            if operation["status"] == "COMPLETED" and (operation["file"] or self.planted):
                operation["url"] = f"{self._base()}/bulk-results/{number_of(id)}.jsonl?signature={number_of(id):x}c"
        return operation

    def _lines(self, query: str, grouped: bool) -> bytes:
        """The file: every object of a connection on a line, children with their parent's id."""
        from graphql import parse

        # Its own resolvers answer while another document is being answered: the switch goes back in any case.
        self._engine.unbounded = True
        try:
            data, _counted = self._engine.run(parse(query), {}, self._root())
        finally:
            self._engine.unbounded = False
        roots, others = list[bytes](), list[bytes]()
        for root in (data.get("data") or {}).values():
            for node in _nodes(root):
                _flatten(node, None, roots, roots if grouped else others)
        return b"".join(line + b"\n" for line in [*roots, *others])

    def answer(self, request: Request, id_: str) -> Answer:
        """The file of an operation: for who has its signed address, and no token of the shop's."""
        operation = self.all.get(id_)
        good = operation is not None and ("signature", f"{number_of(id_):x}c") in request.query
        if operation is None or not good:
            return Answer(403, b"<Error><Code>AccessDenied</Code></Error>", content_type="application/xml")
        if self.file_status != 200:
            return Answer(self.file_status, b"<Error/>", content_type="application/xml")
        if "x-shopify-access-token" in request.headers:
            return Answer(400, b"<Error><Code>InvalidArgument</Code></Error>", content_type="application/xml")
        if self.planted:
            with open(self.planted, "rb") as file:
                size = file.seek(0, 2)
                return self._range(request, size, lambda start, n: (file.seek(start), file.read(n))[1])
        whole: bytes = operation["file"]
        return self._range(request, len(whole), lambda start, n: whole[start : start + n])

    def _range(self, request: Request, size: int, read: Any) -> Answer:
        wanted = request.headers.get("range", "")
        self.served.append(wanted)
        kind = "application/jsonl"
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
        if match is None or not self.ranges:
            return Answer(200, read(0, size), content_type=kind)
        start, end = int(match[1]), min(int(match[2]), size - 1)
        if start >= size:
            return Answer(416, b"", {"Content-Range": f"bytes */{size}"}, content_type=kind)
        body = b"" if self.cut and start >= self.cut else read(start, end - start + 1)
        return Answer(206, body, {"Content-Range": f"bytes {start}-{end}/{size}"}, content_type=kind)


def _nodes(connection: Thing) -> list[Thing]:
    return [edge["node"] for edge in connection.get("edges", [])] or list(connection.get("nodes", []))


def _flatten(node: Thing, parent: str | None, out: list[bytes], children: list[bytes]) -> None:
    plain = {name: value for name, value in node.items() if not _is_connection(value)}
    if parent is not None:
        plain["__parentId"] = parent
    out.append(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode())
    for value in node.values():
        if _is_connection(value):
            for child in _nodes(value):
                _flatten(child, node["id"], children, children)


def _is_connection(value: Any) -> bool:
    return isinstance(value, dict) and ("edges" in value or ("nodes" in value and len(value) <= 2))
