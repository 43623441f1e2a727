"""A thin trainer on DeepSpeed and transformers, fed by mmdata."""

__version__ = "0.1.0"
