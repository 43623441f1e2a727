"""What is trained on what: one module a recipe.

A recipe is what the trainer, the preflight and the export ask for everything that differs between tasks:

``UNITS``
    What its loss terms are divided by: `mmtrain.losses.LABEL` and what its encoder counts in ``Encoded.counts``.
``model_config(settings)``
    ``config.json`` of the model; early, without torch.
``make_encoder(settings)``
    A `mmtrain.data.encode.Encoder`: samples as tensors. Further inputs go into ``Encoded.media``, along whose first axis
    samples are joined.
``make_model(settings, tokenizer)`` and ``empty_model(settings, tokenizer)``
    The model with its parts frozen, adapted or free; with weights, and without.
``groups(model, settings)``
    Optimizer groups.
``loss(model, batch)``
    Named `mmtrain.losses.Term`; every rank must run through the same modules in the same order, whatever its batch holds.
``merged(model)``, ``save(model, directory)``, ``load(directory, dtype)``
    Adapters merged; the exported directory, and the model of it.
``summary(means)``, if there is one
    What else to log of an evaluation, from the means of all terms by name.

Settings of its own are a section of the YAML with the recipe's name (`mmtrain.sections`), which `Settings.section` holds.
"""
