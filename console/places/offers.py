"""What a row of the settings offers: numbered things to do, each with the reason where it cannot be done now."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from console.keys import Key
from console.screens.asking import asked
from domain.persons import may_change
from domain.results import Refused
from domain.words import _

if TYPE_CHECKING:
    from console.app import Console
    from console.deeds import Deeds
    from console.screens.desk import Desk

Flow = Callable[[Key], Awaitable[None]]


class Offer(Struct, frozen=True):
    """One thing that can be done with a row; `why` says why not."""

    text: str
    act: Flow
    hint: str = ""
    why: str = ""


class Flows:
    """What every flow of the settings needs: who acts, how somebody is asked, and how it is told."""

    def __init__(self, desk: "Desk") -> None:
        self.desk = desk

    @property
    def app(self) -> "Console":
        """The app."""
        return self.desk.console_app

    @property
    def deeds(self) -> "Deeds":
        """The acting half of the desk; there is one before any key gets here."""
        assert self.desk.deeds is not None
        return self.desk.deeds

    @property
    def who(self) -> str:
        """Under which name things are set up."""
        return self.deeds.who

    def why_not(self) -> str:
        """Why the person at the keyboard may change nothing, or ''."""
        if self.app.person is None:
            return _("O: say who you are")
        refused = may_change(self.app.person)
        return refused.message if refused else ""

    async def asked(self, text: str, act: Callable[[Any], Awaitable[Any]]) -> Any:
        """Ask somebody else behind a box; None where the person did not wait, the outcome is told when it comes."""
        return await asked(self.app, text, act, self._late)

    async def tried(self, text: str, act: Callable[[Any], Awaitable[Any]]) -> Any:
        """As `asked`, for what keeps nothing: who does not wait gives it up."""
        return await asked(self.app, text, act)

    def _late(self, answer: Any) -> None:
        if isinstance(answer, Refused):
            self.desk.say(answer.message, bad=True)
        else:
            self.desk.say(_("What was asked for has been done."))
        self.app.flow(self.again())

    async def tell(self, answer: Any, text: str) -> bool:
        """Say a refusal, or `text`, and show the list as it is now; was it done?"""
        if answer is None:
            self.desk.say(_("It is not waited for; the answer will stand here."))
            return False
        refused = isinstance(answer, Refused)
        await self.again()
        self.desk.say(answer.message if isinstance(answer, Refused) else text, bad=refused)
        return not refused

    async def again(self) -> None:
        """Read the list again; the cursor stays on its row."""
        if self.desk.place is self.desk.places.get("settings"):
            await self.desk.reload()
