"""A server of one model on one machine: OpenAI's chat API, continuous batching, a chat page; and how much it bears."""

from companion.serving.batch import Batch, Sampling
from companion.serving.engine import BusyError, Engine, Event, Ticket
from companion.serving.monitor import Alarm, Monitor
from companion.serving.onnx import export_onnx
from companion.serving.planning import Latencies, ServerTimes, capacity, measure_times, simulate_server
from companion.serving.server import Server

__all__ = [
    "Alarm",
    "Batch",
    "BusyError",
    "Engine",
    "Event",
    "Latencies",
    "Monitor",
    "Sampling",
    "Server",
    "ServerTimes",
    "Ticket",
    "capacity",
    "export_onnx",
    "measure_times",
    "simulate_server",
]
