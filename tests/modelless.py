"""A service without models for processes started by tests; importable wherever `tests` is on the path."""

from deterministic_engine import DeterministicEngine
from live_server import FixedCatalogue

from server.config import ServerConfig
from server.service import Service
from streaming.scheduling.batch_worker import BatchWorker


def make_service(config: ServerConfig) -> Service:
    """The deterministic engine behind the configured number of places, four by default."""
    engine = DeterministicEngine()
    return Service(config, BatchWorker(lambda: engine, config.max_sessions or 4), FixedCatalogue())
