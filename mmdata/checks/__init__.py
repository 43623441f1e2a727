"""Checks: one function a check, a file a topic. See `mmdata.checks.registry` for how one is written."""
