"""A print service behind HTTP and the connector to it: the shortest printer that can be each of the three kinds.

What the kinds of repeating mean for a printer: it knows a job by our key and prints it once (`honours_key`), it prints
whatever comes but can be asked for a job (`read_back`), or it only prints (`neither`).
"""

from collections import Counter
from importlib.metadata import EntryPoint
from typing import Any, ClassVar
from urllib.parse import quote, unquote

import msgspec

from connectors import registry
from connectors.contract import Binding, Checked, Field, Printed, PrinterDeclaration, PrintRequest, Repeat
from connectors.http import WireError, failure
from connectors.simulated.server import Answer, Request, Service, answer_json
from domain.results import NotFound, Unknown

NAME = "print_service"


class PrintService(Service):
    """The service: `POST /{kind}/jobs`, `GET /{kind}/jobs/{key}`; its back door tells how often a job was printed."""

    def __init__(self) -> None:
        super().__init__()
        self._printed: Counter[str] = Counter()

    def hello(self) -> dict[str, object]:
        """Nothing but its address is needed."""
        return {}

    def refusal(self, status: int) -> Answer:
        """An error in the service's shape."""
        return answer_json({"error": f"status_{status}"}, status)

    def handle(self, request: Request) -> Answer:
        """Print, or tell of a job."""
        kind, _sep, rest = request.path.removeprefix("/").partition("/")
        if request.method == "GET" and rest == "state":
            return answer_json({"state": "ready"})
        if request.method == "POST" and rest == "jobs":
            job = request.json()
            if not job["pages"] or not all(page > 100 for page in job["pages"]):
                return answer_json({"error": "empty_page"}, 422)
            if kind != Repeat.HONOURS_KEY or job["key"] not in self._printed:
                self._printed[job["key"]] += 1
            return answer_json({"job": job["key"]}, 201)
        key = unquote(rest.removeprefix("jobs/"))
        if request.method == "GET" and kind == Repeat.READ_BACK and key in self._printed:
            return answer_json({"job": key})
        return answer_json({"error": "no_such_job"}, 404)

    def admin_route(self, method: str, path: str, body: Any) -> Any:
        """`GET jobs`: key → how often it came out on paper."""
        if (method, path) == ("GET", "jobs"):
            return dict(self._printed)
        raise LookupError(path)


class ServicePrinter:
    """The connector; its address says which kind of service it is."""

    declaration: ClassVar[PrinterDeclaration] = PrinterDeclaration(
        printer=NAME,
        title="Print service",
        fields=(Field("url", "Address"), Field("kind", "What makes a repetition safe")),
        repeat=Repeat.READ_BACK,
        confirms=True,
    )

    def __init__(self, binding: Binding) -> None:
        self._http = binding.http
        self._kind = Repeat(binding.settings["kind"])
        self.declaration = msgspec.structs.replace(type(self).declaration, repeat=self._kind)  # type: ignore[misc]

    async def check(self) -> Checked:
        """Is it there?"""
        answer = await self._http.call("GET", f"/{self._kind}/state")
        if answer.status != 200:
            raise failure(answer, False)
        return Checked("Print service")

    async def send(self, request: PrintRequest) -> Any:
        """Print once."""
        job = {"key": request.key, "pages": [len(page.data) for page in request.pages]}
        try:
            answer = await self._http.call("POST", f"/{self._kind}/jobs", json=job)
        except WireError as error:
            return error.outcome
        if answer.status != 201:
            return failure(answer, True).outcome
        return _job(answer.body, request.key)

    async def find(self, request: PrintRequest) -> Any:
        """Ask for the job; where a key is honoured, sending it again is asking."""
        if self._kind is Repeat.HONOURS_KEY:
            return await self.send(request)
        if self._kind is Repeat.NEITHER:
            return Unknown("cannot_look", "Nobody can look this up.")
        try:
            answer = await self._http.call("GET", f"/{self._kind}/jobs/{quote(request.key, safe='')}")
        except WireError as error:
            return error.outcome
        if answer.status == 404 and b"no_such_job" in answer.body:
            return NotFound()
        if answer.status != 200:
            return failure(answer, False).outcome
        return _job(answer.body, request.key)


def _job(body: bytes, key: str) -> Printed | Unknown:
    try:
        told = msgspec.json.decode(body, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        told = {}
    return Printed(key) if told.get("job") == key else Unknown("not_understood", "The answer names no job.")


def install() -> None:
    """Let the registry find the connector, as an installed package would."""
    entry = EntryPoint(f"printer.{NAME}", f"{__name__}:ServicePrinter", registry.GROUP)
    registry._entries()["printer", NAME] = entry
