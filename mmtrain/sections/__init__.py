"""Sections of a run's YAML that belong to one recipe: one pydantic model a module, under the recipe's name.

`mmtrain.config.Config` has a key for each; a section given beside another recipe is an error. The trainer carries it as
JSON in `mmtrain.settings.Settings.section`, from which the recipe makes the model again. Nothing here imports torch.
"""
