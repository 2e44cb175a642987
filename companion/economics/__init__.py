"""What large models cost: operations, memory, hours and money, known from a config; and how long their users wait."""

from companion.economics.accelerators import ACCELERATORS, Accelerator
from companion.economics.bills import TrainingBill, affordable_flops, model_flops_utilization, training_bill
from companion.economics.break_even import break_even, hosting_cost
from companion.economics.decoding import DecodeStep, decode_step, largest_batch
from companion.economics.funding import Ownership, post_money_safe
from companion.economics.latency import AnswerLatency, answer_latency
from companion.economics.laws import PRINTED, REFIT, TEX_SOURCE, LossLaw, Plan
from companion.economics.lifetime import ShiftedBetaGeometric
from companion.economics.memory import (
    ServingMemory,
    TrainingMemory,
    activation_numbers,
    kv_cache_bytes,
    serving_memory,
    training_memory,
)
from companion.economics.prices import TokenPrices, api_prices, cost_per_token
from companion.economics.queues import MG1, MMc, erlang_b, erlang_c, servers_needed
from companion.economics.runway import Runway, first_passage
from companion.economics.schedules import finish_probability, merge_bias
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
    "Ownership",
    "Plan",
    "Runway",
    "ServingMemory",
    "ShiftedBetaGeometric",
    "TokenPrices",
    "TrainingBill",
    "TrainingMemory",
    "activation_numbers",
    "affordable_flops",
    "answer_latency",
    "api_prices",
    "break_even",
    "cost_per_token",
    "decode_step",
    "erlang_b",
    "erlang_c",
    "finish_probability",
    "first_passage",
    "hosting_cost",
    "kv_cache_bytes",
    "largest_batch",
    "merge_bias",
    "model_flops_utilization",
    "post_money_safe",
    "response_quantile",
    "servers_needed",
    "serving_memory",
    "simulate_waits",
    "training_bill",
    "training_memory",
]
