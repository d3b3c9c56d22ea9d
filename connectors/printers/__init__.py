"""One module per kind of printer; each is found through the entry-point group `shipdeck.connectors`."""
