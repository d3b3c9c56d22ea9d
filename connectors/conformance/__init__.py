"""The conformance suite: what every shop connector must do, held against its simulated twin, offline.

A connector takes part by a `Kit` (see `kit`), named under the entry-point group `shipdeck.kits` by the connector's own
name. `shipdeck connector test shop.NAME` runs every case; a test of one's own does the same with `Suite` and `CASES`.
Nothing here needs pytest. A case that the platform or its twin cannot show is skipped with the kit's reason, and counted.
"""

from connectors.conformance.kit import Kit as Kit
from connectors.conformance.kit import Wanted as Wanted
from connectors.conformance.suite import CASES as CASES
from connectors.conformance.suite import NoKit as NoKit
from connectors.conformance.suite import Suite as Suite
