"""Shops, carriers, printers, warehouses and persons."""

from typing import ClassVar

from console.places.place import Item, TablePlace


class Settings(TablePlace):
    """What is set up."""

    name: ClassVar[str] = "settings"

    async def items(self) -> list[Item]:
        """Nothing yet."""
        return []
