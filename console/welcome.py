"""The first start, on a database with no shop: practise, bind a shop, or look around."""

from typing import TYPE_CHECKING

from console.screens.dialogs import Choice, Choose
from domain.words import _
from store import overview

if TYPE_CHECKING:
    from console.screens.desk import Desk


async def welcome(desk: "Desk") -> None:
    """Offer what a first start may begin with; nothing where there is a shop already. Call it from a flow."""
    app = desk.console_app
    now = app.clock()
    if await app.eyes.look(lambda r: overview.shop_states(r, now)):
        return
    chosen = await app.push_screen_wait(
        Choose(
            _("What would you like to begin with?"),
            [
                Choice(_("Practise first"), "practice", _("a simulated shop, nothing leaves this machine")),
                Choice(_("Bind a shop"), "bind", _("WooCommerce; its keys are at hand")),
                Choice(_("Look around"), "look", _("9 binds a shop later")),
            ],
        )
    )
    match chosen:
        case "practice":
            app.exit("practice")
        case "bind":
            from console.places.settings import Settings

            await desk.go("settings")
            if isinstance(desk.place, Settings):
                await desk.place.bind(None)
        case _:
            desk.say(_("9 binds a shop; ? shows the keys."))
