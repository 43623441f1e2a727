"""One module a peer: ``LABEL`` and ``run(path) -> records``. Each is timed in a process of its own."""
