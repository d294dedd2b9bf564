"""Typed form of numba's `intrinsic`: functions written in LLVM instructions for compiled code to call.

A definition takes numba's typing context first, which a call does not pass; numba's own annotation asks for it.
Runs on: any thread; pure.
"""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, cast

from numba import extending

P = ParamSpec("P")


def intrinsic(definition: Callable[Concatenate[Any, P], tuple[Any, Any]]) -> Callable[P, Any]:
    """Make a definition, (context, argument types) -> (signature, code generator), callable from compiled code."""
    return cast(Callable[P, Any], extending.intrinsic(definition))
