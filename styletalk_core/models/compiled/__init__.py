"""Fast decoders: packed weights and numba kernels on a CPU, captured CUDA graphs on a GPU."""
