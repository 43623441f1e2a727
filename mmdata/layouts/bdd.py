"""BDD: upstream has training scripts for it (``*_finetune_bdd.sh``), trained with the data of DriveGPT4, and no guide.

What its meta file names is all that is known of the tree, so the preset checks the meta file and whatever that names.
"""

from __future__ import annotations

from mmdata.layout import Layout
from mmdata.layouts import _sources as at

LAYOUT = Layout(
    name="bdd",
    title="driving videos (BDD, the data of DriveGPT4)",
    meta="train_meta/internvl_1_2_finetune_bdd.json",
    meta_source=f"{at.ANNOTATIONS}; the data are of {at.DRIVEGPT4}; for your own: mmdata meta add",
    places=(),
    sets=(),
    note="The guide has no page for BDD: only what the meta file names is checked. " + at.GENERAL,
)
