"""What large models cost: operations, memory, hours and money, known from a config before there is a model."""

from companion.economics.accelerators import ACCELERATORS, Accelerator
from companion.economics.bills import TrainingBill, affordable_flops, model_flops_utilization, training_bill
from companion.economics.decoding import DecodeStep, decode_step, largest_batch
from companion.economics.laws import PRINTED, REFIT, TEX_SOURCE, LossLaw, Plan
from companion.economics.memory import (
    ServingMemory,
    TrainingMemory,
    activation_numbers,
    kv_cache_bytes,
    serving_memory,
    training_memory,
)

__all__ = [
    "ACCELERATORS",
    "PRINTED",
    "REFIT",
    "TEX_SOURCE",
    "Accelerator",
    "DecodeStep",
    "LossLaw",
    "Plan",
    "ServingMemory",
    "TrainingBill",
    "TrainingMemory",
    "activation_numbers",
    "affordable_flops",
    "decode_step",
    "kv_cache_bytes",
    "largest_batch",
    "model_flops_utilization",
    "serving_memory",
    "training_bill",
    "training_memory",
]
