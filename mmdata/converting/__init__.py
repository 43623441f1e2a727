"""The engine of `mmdata.conversion`: batches of records, their ledger, and an output that is whole or absent."""
