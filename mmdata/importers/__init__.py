"""One importer a module: annotations of other projects as InternVL records (see `mmdata.importing`)."""
