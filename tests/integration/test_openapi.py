"""Proves that the OpenAPI document is complete (every route is in it) and correct (checked by Schemathesis)."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from live_server import running_server
from starlette.routing import Route

from server.http import sandbox

TESTS = Path(__file__).parent.parent
OPTIONS = ("--max-examples", "10", "--seed", "1", "--phases", "coverage,fuzzing,stateful", "--warnings", "off")
SECONDS = 900


async def test_every_route_is_described() -> None:
    async with running_server() as server:
        document = await server.json("/api/openapi.json")
        described = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
        routes = [route for route in server.server.config.app.routes if isinstance(route, Route)]
        served = {(route.path, method) for route in routes for method in (route.methods or set()) - {"HEAD"}}
        assert served - described == {("/api/openapi.json", "GET")}
        assert described <= served


async def test_a_protected_server_says_how_to_show_the_key() -> None:
    async with running_server(api_key="secret") as server:
        _, _, body = await server.http("GET", "/api/openapi.json?key=secret")
        assert b'"securitySchemes":{"key":{"type":"http","scheme":"bearer"}}' in body


@pytest.mark.slow
async def test_schemathesis_finds_no_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def refuse(*_: object) -> sandbox.Ended:
        """The answer of the other process to random bytes; starting one takes a second."""
        return sandbox.Ended(sandbox.Failure("bad_request", "the file cannot be read"), 0, "")

    monkeypatch.setattr(sandbox, "run", refuse)
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path))
    async with running_server(api_key="secret") as server:
        address = f"http://127.0.0.1:{server.port}/api/openapi.json"
        bearer = ("-H", "Authorization: Bearer secret")
        config = ("--config-file", str(TESTS / "data" / "schemathesis.toml"))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", *config, "run", address, *OPTIONS, *bearer),
            env=os.environ | {"SCHEMATHESIS_HOOKS": "sdp_serializers", "PYTHONPATH": str(TESTS)},
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            said, _ = await asyncio.wait_for(process.communicate(), SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0, said.decode()
