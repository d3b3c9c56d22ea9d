"""What is marked: the very shipments a person saw, in the version they had when they were marked.

Marks belong to one place and one person. A mark of everything is taken from one view of the database at the moment of
the key press: what arrives later is not in it, and what changed since is refused when the command comes to it.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator

_EMPTY: "array[int]" = array("q")


class Marks:
    """Shipment id → version seen. Holds a million as two arrays."""

    def __init__(self) -> None:
        self._ids, self._versions = _EMPTY, _EMPTY
        self._added: dict[int, int] = {}
        self._taken: set[int] = set()

    def __len__(self) -> int:
        return len(self._ids) - len(self._taken) + len(self._added)

    def __contains__(self, shipment_id: int) -> bool:
        return shipment_id in self._added or (self._in_base(shipment_id) >= 0 and shipment_id not in self._taken)

    def _in_base(self, shipment_id: int) -> int:
        at = bisect_left(self._ids, shipment_id)
        return at if at < len(self._ids) and self._ids[at] == shipment_id else -1

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """(id, version seen) of every mark."""
        for at, shipment_id in enumerate(self._ids):
            if shipment_id not in self._taken:
                yield shipment_id, self._versions[at]
        yield from self._added.items()

    def add(self, shipment_id: int, version: int) -> None:
        """Mark one, as it looks now."""
        if self._in_base(shipment_id) >= 0:
            self._taken.add(shipment_id)
        self._added[shipment_id] = version

    def remove(self, shipment_id: int) -> None:
        """Unmark one."""
        self._added.pop(shipment_id, None)
        if self._in_base(shipment_id) >= 0:
            self._taken.add(shipment_id)

    def toggle(self, shipment_id: int, version: int) -> bool:
        """Mark or unmark; True when it is marked now."""
        if shipment_id in self:
            self.remove(shipment_id)
            return False
        self.add(shipment_id, version)
        return True

    def clear(self) -> None:
        """Unmark everything."""
        self._ids, self._versions = _EMPTY, _EMPTY
        self._added.clear()
        self._taken.clear()

    def replace(self, ids: "array[int]", versions: "array[int]") -> None:
        """Mark exactly these: `ids` rising, with the version of each."""
        self.clear()
        self._ids, self._versions = ids, versions

    def invert(self, ids: "array[int]", versions: "array[int]") -> None:
        """Of these (a whole list, ids rising) mark what was not marked, and unmark the rest."""
        keep = [(i, v) for i, v in zip(ids, versions, strict=True) if i not in self]
        self.replace(array("q", (i for i, _v in keep)), array("q", (v for _i, v in keep)))
