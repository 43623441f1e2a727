"""Released OpenGVLab InternVL2 and InternVL2.5 directories (remote code) as transformers' native InternVL classes.

Weights are renamed and fused ones are split, never changed: the same logits come out. One module a language backbone
(`mmtrain.import_checkpoint.backbones`); what is not supported is refused by name.
"""

from mmtrain.import_checkpoint.convert import Imported, import_checkpoint, native_config, native_weights

__all__ = ["Imported", "import_checkpoint", "native_config", "native_weights"]
