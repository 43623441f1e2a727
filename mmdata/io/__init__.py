"""Bytes <-> records: opening, splitting, recovering, locating, editing and writing JSON data of any size.

Start at `mmdata.io.read.open_source`. What one record is, is decided by Python's own `json`, which every trainer reads
with; the faster parsers used here may only ever be quicker to the same answer.
"""
