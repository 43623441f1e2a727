"""What several formats share: reading evidence, and the turns of a record."""
