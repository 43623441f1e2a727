"""Modules that a recipe puts beside the language model."""
