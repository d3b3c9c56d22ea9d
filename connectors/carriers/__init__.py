"""One module per kind of carrier; each is found through the entry-point group `shipdeck.connectors`."""
