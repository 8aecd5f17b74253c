"""IDX, the format of MNIST: two zero bytes, a type (8: unsigned bytes), the number of dimensions,
each dimension as a big-endian u32, then the values.
"""

import gzip
import struct
import sys

import numpy as np

UNSIGNED_BYTES = 0x08


def read(path, rank, hint=""):
    """A u8 file of the given rank as an array; one that ends in .gz is unpacked."""
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError) as error:
        sys.exit(f"cannot read {path} ({getattr(error, 'strerror', None) or error}){hint}")
    start = 4 + 4 * rank
    if len(data) < start or data[:4] != bytes([0, 0, UNSIGNED_BYTES, rank]):
        sys.exit(f"{path} is not an IDX file of bytes of rank {rank}")
    shape = struct.unpack(f">{rank}I", data[4:start])
    values = np.frombuffer(data, dtype=np.uint8, offset=start)
    if values.size != np.prod(shape):
        sys.exit(f"{path} holds {values.size} values, its header says {shape}")
    return values.reshape(shape)


def write(path, array):
    """Writes a u8 array."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, UNSIGNED_BYTES, array.ndim, *array.shape)
    path.write_bytes(header + array.tobytes())
