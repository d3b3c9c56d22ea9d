"""Who we talk to: shops, carriers, partners, printers, and simulated twins of them.

A connector is plain async code over the HTTP client it is handed; it turns wire payloads into domain records and back,
and nothing else. It never touches the store. `connectors.contract` is what it must be; `connectors.registry` finds it.
"""

import sys

# Where click is installed, httpx's own command line brings it and rich along: a tenth of every command's start.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
