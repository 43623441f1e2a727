"""Mixtures of data sets: what upstream's arithmetic makes of them, and epoch plans that cost no memory."""
