"""Generates machine code for the packed product: a tile of rows stays in registers while the weights are read once.

A frame multiplies a window of 11 rows by 8 million weights. That is too few rows for BLAS, which spends more time on
calls and reordering than on arithmetic. The fastest tile and weight storage depend on the processor, so each
combination is a `Kernel` that is generated and measured on the machine, see `kernel_choice`.

Runs on: any thread. LLVM compiles a kernel in about ten milliseconds; the code runs without the GIL.
"""

from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, Final

import numpy as np
from llvmlite import binding, ir
from numba import types

from styletalk_core.intrinsics import intrinsic

STEPS: Final = 8
"""Inputs of a layer are padded to multiples of this."""
_CHAINS: Final = {1: 4, 2: 2, 3: 2}
"""Independent sums per output, by number of rows; with few rows, a single sum would stall on the add latency."""
_NEXT_READ: Final = (0, 3, 1)
"""Arguments of `llvm.prefetch`: read, high temporal locality, data cache."""
_LINE: Final = 64
"""Bytes of a cache line."""
_LONG: Final = ir.IntType(64)
_FLAG: Final = ir.IntType(32)
_SINGLE: Final = ir.FloatType()


class Storage(Enum):
    """Storage format of the weights; floats are summed in float32, integers exactly."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT16 = "int16"
    """16-bit integers with a scale per output; the input rows are quantised likewise."""

    @property
    def dtype(self) -> "np.dtype[Any]":
        """Data type of a stored weight."""
        return np.dtype(self.value)

    @property
    def together(self) -> int:
        """Inputs that one instruction multiplies and accumulates."""
        return 2 if self is Storage.INT16 else 1


@dataclass(frozen=True, slots=True)
class Kernel:
    """One implementation of the packed product; results are equal up to rounding."""

    storage: Storage
    lanes: int
    """Outputs per vector register."""
    rows: int
    """Rows per tile; remaining rows use a smaller tile."""
    blocks: int
    """Vector registers of outputs per row of a tile."""

    @property
    def tile(self) -> int:
        """Outputs per tile."""
        return self.lanes * self.blocks

    @property
    def header_bytes(self) -> int:
        """Bytes before the weights of a tile: float32 biases and, for integer storage, scales."""
        return 4 * self.tile * self.storage.together

    def __str__(self) -> str:
        return f"{self.storage.value} {self.rows}x{self.tile}"


@cache
def machine_code(kernel: Kernel) -> int:
    """Address of the kernel's `product`, see `call_product`; compiled once per process."""
    module = ir.Module(str(kernel))
    module.triple = binding.get_process_triple()
    tiles = [_tile(module, kernel, rows) for rows in range(1, kernel.rows + 1)]
    _product(module, kernel, tiles)
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    parsed = binding.parse_assembly(str(module))
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=3
    )
    engine = binding.create_mcjit_compiler(parsed, machine)
    engine.finalize_object()
    _engines.append(engine)
    return int(engine.get_function_address("product"))


_engines: list[Any] = []
"""Owners of the machine code, which is kept until the process exits."""


def _tile(module: Any, kernel: Kernel, rows: int) -> Any:
    """Emits tile(x, x_stride, scales, weights, inputs, out, out_stride, relu) for ``rows`` rows; see `call_product`."""
    whole, together, blocks = kernel.storage is Storage.INT16, kernel.storage.together, kernel.blocks
    chains = _CHAINS.get(rows, 1)
    lanes = kernel.lanes
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [_LONG] * 8), f"tile{rows}")
    function.linkage = "internal"
    function.attributes.add("noinline")
    x, x_stride, _, weights, inputs, *_ = function.args
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    floats = ir.VectorType(_SINGLE, lanes)
    sums_type = ir.VectorType(_FLAG if whole else _SINGLE, lanes)
    element = {Storage.FLOAT32: _SINGLE, Storage.FLOAT16: ir.HalfType(), Storage.INT16: ir.IntType(16)}[kernel.storage]
    stored = ir.VectorType(element, lanes * together)
    block_bytes = lanes * together * kernel.storage.dtype.itemsize
    step_bytes = block_bytes * blocks
    zero = ir.Constant(sums_type, [0 if whole else 0.0] * lanes)

    def multiplied(factor: Any, column: Any, total: Any) -> Any:
        if not whole:
            return builder.fadd(builder.fmul(factor, column, flags=("contract",)), total, flags=("contract",))
        name = {4: "sse2.pmadd.wd", 8: "avx2.pmadd.wd", 16: "avx512.pmaddw.d.512"}[lanes]
        madd = _declared(module, f"llvm.x86.{name}", sums_type, [stored, stored])
        return builder.add(builder.call(madd, [factor, column]), total)

    prefetch = _declared(module, "llvm.prefetch.p0", ir.VoidType(), [ir.IntType(8).as_pointer(), *[_FLAG] * 3])
    rows_at = [builder.add(x, builder.mul(x_stride, _constant(row))) for row in range(rows)]
    first = builder.add(weights, _constant(kernel.header_bytes))
    end = builder.add(first, builder.mul(inputs, _constant(step_bytes // together)))
    ahead = builder.sub(end, weights)
    before, body = builder.block, function.append_basic_block("sum")
    after = function.append_basic_block("store")
    builder.branch(body)
    builder.position_at_end(body)
    here, offset = builder.phi(_LONG), builder.phi(_LONG)
    here.add_incoming(first, before)
    offset.add_incoming(_constant(0), before)
    sums = {}
    for place in np.ndindex(chains, rows, blocks):
        sums[place] = builder.phi(sums_type)
        sums[place].add_incoming(zero, before)
    for line in range(0, chains * step_bytes, _LINE):
        target = builder.inttoptr(builder.add(builder.add(here, ahead), _constant(line)), ir.IntType(8).as_pointer())
        builder.call(prefetch, [target, *(ir.Constant(_FLAG, value) for value in _NEXT_READ)])
    totals = {}
    for chain in range(chains):
        columns = [
            _load(builder, builder.add(here, _constant(chain * step_bytes + block * block_bytes)), stored, 2)
            for block in range(blocks)
        ]
        if kernel.storage is Storage.FLOAT16:
            columns = [builder.fpext(column, floats) for column in columns]
        for row in range(rows):
            place = builder.add(builder.add(rows_at[row], offset), _constant(4 * chain))
            if whole:
                pair = _everywhere(builder, _load(builder, place, _FLAG, 4), _FLAG, lanes)
                factor = builder.bitcast(pair, stored)
            else:
                factor = _everywhere(builder, _load(builder, place, _SINGLE, 4), _SINGLE, lanes)
            for block, column in enumerate(columns):
                key = (chain, row, block)
                totals[key] = multiplied(factor, column, sums[key])
    following, further = builder.add(here, _constant(chains * step_bytes)), builder.add(offset, _constant(4 * chains))
    here.add_incoming(following, body)
    offset.add_incoming(further, body)
    for key, total in totals.items():
        sums[key].add_incoming(total, body)
    builder.cbranch(builder.icmp_unsigned("<", following, end), body, after)
    builder.position_at_end(after)
    _write(builder, kernel, totals, function.args)
    builder.ret_void()
    return function


def _write(builder: Any, kernel: Kernel, totals: dict[tuple[int, int, int], Any], arguments: Any) -> None:
    """Adds up the chains of each output, applies scales, bias and ReLU, and stores the tile."""
    _, _, scales, weights, _, out, out_stride, relu = arguments
    whole, lanes = kernel.storage is Storage.INT16, kernel.lanes
    floats = ir.VectorType(_SINGLE, lanes)
    none = ir.Constant(floats, [0.0] * lanes)
    keep = builder.icmp_unsigned("==", relu, _constant(0))
    for row in range(1 + max(row for _, row, _ in totals)):
        scale = None
        if whole:
            scale = _everywhere(
                builder, _load(builder, builder.add(scales, _constant(4 * row)), _SINGLE, 4), _SINGLE, lanes
            )
        for block in range(kernel.blocks):
            total = totals[0, row, block]
            for chain in range(1, 1 + max(chain for chain, _, _ in totals)):
                add = builder.add if whole else builder.fadd
                total = add(total, totals[chain, row, block])
            bias = _load(builder, builder.add(weights, _constant(4 * lanes * block)), floats, 4)
            if whole:
                unit = _load(builder, builder.add(weights, _constant(4 * (kernel.tile + lanes * block))), floats, 4)
                total = builder.fmul(builder.sitofp(total, floats), builder.fmul(scale, unit))
            total = builder.fadd(total, bias)
            positive = builder.select(builder.fcmp_ordered(">", total, none), total, none)
            shown = builder.select(keep, total, positive)
            place = builder.add(builder.add(out, builder.mul(out_stride, _constant(row))), _constant(4 * lanes * block))
            result = builder.store(shown, builder.inttoptr(place, floats.as_pointer()))
            result.align = 4


def _constant(value: int) -> Any:
    return ir.Constant(_LONG, value)


def _load(builder: Any, address: Any, kind: Any, align: int) -> Any:
    value = builder.load(builder.inttoptr(address, kind.as_pointer()))
    value.align = align
    return value


def _everywhere(builder: Any, value: Any, kind: Any, count: int) -> Any:
    """A vector of ``count`` equal values."""
    vector = ir.VectorType(kind, count)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(_FLAG, 0))
    mask = ir.Constant(ir.VectorType(_FLAG, count), [0] * count)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), mask)


def _declared(module: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    known = module.globals.get(name)
    return known or ir.Function(module, ir.FunctionType(result, arguments), name)


def _product(module: Any, kernel: Kernel, tiles: list[Any]) -> None:
    """Emits product(x, x_stride, scales, rows, weights, inputs, out, out_stride, tiles, relu); see `call_product`."""
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [_LONG] * 10), "product")
    x, x_stride, scales, rows, weights, inputs, out, out_stride, groups, relu = function.args
    entry = function.append_basic_block("entry")
    outer, inner = function.append_basic_block("group"), function.append_basic_block("rows")
    next_rows, next_group = function.append_basic_block("next_rows"), function.append_basic_block("next_group")
    done = function.append_basic_block("done")
    builder = ir.IRBuilder(entry)

    weight_bytes = builder.mul(inputs, _constant(kernel.tile * kernel.storage.dtype.itemsize))
    group_bytes = builder.add(weight_bytes, _constant(kernel.header_bytes))
    builder.branch(outer)
    builder.position_at_end(outer)
    group = builder.phi(_LONG)
    group.add_incoming(_constant(0), entry)
    base = builder.add(weights, builder.mul(group, group_bytes))
    column = builder.add(out, builder.mul(group, _constant(4 * kernel.tile)))
    builder.branch(inner)
    builder.position_at_end(inner)
    row = builder.phi(_LONG)
    row.add_incoming(_constant(0), outer)
    left = builder.sub(rows, row)
    full = builder.icmp_unsigned(">=", left, _constant(kernel.rows))
    height = builder.select(full, _constant(kernel.rows), left)
    arguments = [
        builder.add(x, builder.mul(row, x_stride)),
        x_stride,
        builder.add(scales, builder.mul(row, _constant(4))),
        base,
        inputs,
        builder.add(column, builder.mul(row, out_stride)),
        out_stride,
        relu,
    ]
    switch = builder.switch(height, next_rows)
    for count, tile in enumerate(tiles, 1):
        case = function.append_basic_block(f"case{count}")
        switch.add_case(_constant(count), case)
        builder.position_at_end(case)
        builder.call(tile, arguments)
        builder.branch(next_rows)
    builder.position_at_end(next_rows)
    row_end = builder.add(row, height)
    row.add_incoming(row_end, next_rows)
    builder.cbranch(builder.icmp_unsigned("<", row_end, rows), inner, next_group)
    builder.position_at_end(next_group)
    following = builder.add(group, _constant(1))
    group.add_incoming(following, next_group)
    builder.cbranch(builder.icmp_unsigned("<", following, groups), outer, done)
    builder.position_at_end(done)
    builder.ret_void()


@intrinsic
def stay_apart(_: Any) -> tuple[Any, Any]:
    """Prevents the calling function from being inlined, which would increase compile time."""

    def generate(context: Any, builder: Any, _: Any, __: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def address_of(_: Any, array: Any) -> tuple[Any, Any]:
    """Address of the first element of an array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        own = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.ptrtoint(own.data, _LONG)

    return types.intp(array), generate


@intrinsic
def call_product(
    _: Any,
    code: Any,
    x: Any,
    x_stride: Any,
    scales: Any,
    rows: Any,
    weights: Any,
    inputs: Any,
    out: Any,
    out_stride: Any,
    tiles: Any,
    relu: Any,
) -> tuple[Any, Any]:
    """Calls machine code from compiled Python: out = relu(x @ weights + bias).

    Args:
        code: address returned by `machine_code`.
        x: address of (rows, inputs), float32 or int16.
        x_stride: bytes per row of x.
        scales: address of (rows,) float32, the scale of each row; not read for float storage.
        rows: number of rows.
        weights: address of a `PackedLinear` for the same kernel.
        inputs: number of inputs, a multiple of `STEPS`.
        out: address of (rows, tiles * tile) float32.
        out_stride: bytes per row of out.
        tiles: number of output tiles.
        relu: whether to apply ReLU.
    """
    signature = types.void(*[types.intp] * 10, types.boolean)

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_LONG] * 10)
        function = builder.inttoptr(arguments[0], kind.as_pointer())
        builder.call(function, [*arguments[1:-1], builder.zext(arguments[-1], _LONG)])
        return context.get_dummy_value()

    return signature, generate
