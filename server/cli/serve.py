"""`styletalk serve`: runs the server; it responds while the models warm up.

Runs on: the main thread. The models are imported and run on the worker thread only.
"""

import argparse
from typing import Any

from server.bootstrap import listen, make_service
from server.config import add_arguments, load

__all__ = ["add_arguments", "run"]


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Serves until it is interrupted.

    Raises:
        InputError: bad settings, a host that cannot be bound, or a port in use.
    """
    config = load(args)
    listener = listen(config)
    # Bad settings fail before the server is imported, which takes a second.
    from server import logs
    from server.app import create_app
    from server.http.draining import DrainingServer, http_options
    from server.priority import raise_priority

    service = make_service(config)
    scheme = "https" if config.tls_certificate else "http"
    address = "{}://{}:{}/".format(scheme, *listener.getsockname()[:2])
    logs.configure(config.log_format, config.secrets)
    print(f"StyleTalk Live is at {address}", flush=True)
    raise_priority()
    DrainingServer(http_options(config, create_app(service)), service).run(sockets=[listener])
    return {"address": address}
