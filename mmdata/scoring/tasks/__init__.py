"""The tasks, one module each, or one for several that are scored alike; each holds ``TASKS``."""
