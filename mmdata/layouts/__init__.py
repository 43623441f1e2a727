"""One domain's tree a module (see `mmdata.layout`). To add one, add a file with a `LAYOUT`."""
