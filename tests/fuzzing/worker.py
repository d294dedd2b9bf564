"""Worker process of the fuzzer: `python -m fuzzing.worker TARGET`, sandboxed like the decoders of the server.

Input: each case, preceded by its length (4 bytes). Output: a line when ready, then one JSON object per case,
``{"accepted": bool}`` or ``{"failure": text}``.
"""

import json
import logging
import os
import sys
import tempfile
import traceback
import warnings

from fuzzing.targets import TARGETS
from server.http.sandbox import restrict_process

PROCESSOR_SECONDS = 3600


def main() -> None:
    """Eats until the input ends."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    restrict_process(PROCESSOR_SECONDS)
    with tempfile.TemporaryDirectory() as home:
        os.environ["STYLETALK_HOME"] = home
        with TARGETS[sys.argv[1]].open() as feed:
            print("ready", flush=True)
            while head := sys.stdin.buffer.read(4):
                case = sys.stdin.buffer.read(int.from_bytes(head))
                try:
                    answer: dict[str, object] = {"accepted": feed(case)}
                except Exception:
                    answer = {"failure": traceback.format_exc()}
                print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
