"""Pictures and videos: whether they are there, what they are, whether they decode. Nothing here raises on a bad file."""
