"""What large models cost: operations, memory, hours and money, known from a config; and how long their users wait."""

from companion.economics.accelerators import ACCELERATORS, Accelerator
from companion.economics.bills import TrainingBill, affordable_flops, model_flops_utilization, training_bill
from companion.economics.decoding import DecodeStep, decode_step, largest_batch
from companion.economics.latency import AnswerLatency, answer_latency
from companion.economics.laws import PRINTED, REFIT, TEX_SOURCE, LossLaw, Plan
from companion.economics.memory import (
    ServingMemory,
    TrainingMemory,
    activation_numbers,
    kv_cache_bytes,
    serving_memory,
    training_memory,
)
from companion.economics.queues import MG1, MMc, erlang_b, erlang_c, servers_needed
from companion.economics.waiting import response_quantile, simulate_waits

__all__ = [
    "ACCELERATORS",
    "MG1",
    "PRINTED",
    "REFIT",
    "TEX_SOURCE",
    "Accelerator",
    "AnswerLatency",
    "DecodeStep",
    "LossLaw",
    "MMc",
    "Plan",
    "ServingMemory",
    "TrainingBill",
    "TrainingMemory",
    "activation_numbers",
    "affordable_flops",
    "answer_latency",
    "decode_step",
    "erlang_b",
    "erlang_c",
    "kv_cache_bytes",
    "largest_batch",
    "model_flops_utilization",
    "response_quantile",
    "servers_needed",
    "serving_memory",
    "simulate_waits",
    "training_bill",
    "training_memory",
]
