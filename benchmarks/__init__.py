"""Benchmarks: every figure is a ratio against a named peer on the same file in the same run."""
