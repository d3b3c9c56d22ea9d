"""One module per kind of shop; each is found through the entry-point group `shipdeck.connectors`."""
