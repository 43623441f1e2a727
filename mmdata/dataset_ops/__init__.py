"""Verbs over files of records: merge, split, sample, filter, dedup, diff. Streams in constant memory, bytes kept, counted."""
