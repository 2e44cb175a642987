"""Adapting a trained model: conversations to learn from, which weights move, low-rank adapters, preferences."""

from companion.finetune.adapter_folder import load_adapter, save_adapter
from companion.finetune.chat_batches import ChatBatches
from companion.finetune.conversations import encode_conversation, hold_out, read_conversations
from companion.finetune.freezing import freeze
from companion.finetune.lora import LoRAConfig, LoRALinear, add_lora, merge_and_unload
from companion.finetune.preferences import answer_log_probs, dpo_loss

__all__ = [
    "ChatBatches",
    "LoRAConfig",
    "LoRALinear",
    "add_lora",
    "answer_log_probs",
    "dpo_loss",
    "encode_conversation",
    "freeze",
    "hold_out",
    "load_adapter",
    "merge_and_unload",
    "read_conversations",
    "save_adapter",
]
