"""A server of one model on one machine, with OpenAI's chat API, continuous batching and a chat page."""

from companion.serving.batch import Batch, Sampling
from companion.serving.engine import BusyError, Engine, Event, Ticket
from companion.serving.server import Server

__all__ = ["Batch", "BusyError", "Engine", "Event", "Sampling", "Server", "Ticket"]
