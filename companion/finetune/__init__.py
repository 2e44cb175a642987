"""Adapting a trained model: which weights move, low-rank adapters, and learning from preferences."""

from companion.finetune.adapter_folder import load_adapter, save_adapter
from companion.finetune.freezing import freeze
from companion.finetune.lora import LoRAConfig, LoRALinear, add_lora, merge_and_unload
from companion.finetune.preferences import answer_log_probs, dpo_loss

__all__ = [
    "LoRAConfig",
    "LoRALinear",
    "add_lora",
    "answer_log_probs",
    "dpo_loss",
    "freeze",
    "load_adapter",
    "merge_and_unload",
    "save_adapter",
]
