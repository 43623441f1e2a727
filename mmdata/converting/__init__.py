"""The engine of `mmdata.convert`: records to another format, their ledger, and an output that is whole or absent."""
