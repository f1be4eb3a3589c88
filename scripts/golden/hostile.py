"""hostile/*: small files made to do harm, for tests/unit/io/test_hostile.c, which has a line for each.

HDF5 by h5py, archives byte by byte: what the headers say need not be so. No file here is larger than 40 kB; what they
declare is."""
import io
import os
import struct
import zlib

import h5py
import numpy as np

from golden_io import out_dir

FOLDER = os.path.join(out_dir(), "hostile")
ONES = np.ones((2, 2), "f4")


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


class Zip:
    """An archive; each field of a member can be given otherwise than it is, in one header or in both."""

    def __init__(self):
        self.body, self.directory, self.n = b"", b"", 0

    def add(self, name, data, method=0, stored=None, flags=0, local=None, at=None, **wrong):
        local = local or {}
        stored = data if stored is None else stored
        real = {"name": name, "method": method, "flags": flags, "crc": zlib.crc32(data), "packed": len(stored),
                "size": len(data)}
        there = {**real, **wrong, **local}
        here = {**real, **wrong}
        offset = len(self.body) if at is None else at
        if at is None:
            self.body += b"PK\3\4" + struct.pack("<HHHHHIIIHH", 20, there["flags"], there["method"], 0, 33, there["crc"],
                                                 there["packed"], there["size"], len(there["name"]), 0)
            self.body += there["name"] + stored
        extra = here.get("extra", b"")
        self.directory += b"PK\1\2" + struct.pack("<HHHHHHIIIHHHHHII", 20, 20, here["flags"], here["method"], 0, 33,
                                                  here["crc"], here["packed"], here["size"], len(here["name"]),
                                                  len(extra), 0, 0, 0, 0, offset) + here["name"] + extra
        self.n += 1
        return self

    def write(self, name):
        end = struct.pack("<HHHHIIH", 0, 0, self.n, self.n, len(self.directory), len(self.body), 0)
        with open(os.path.join(FOLDER, name), "wb") as file:
            file.write(self.body + self.directory + b"PK\5\6" + end)


def deflated(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def archives():
    good, array = npy(ONES), npy(np.zeros((8, 8), "f4"))
    Zip().add(b"../../x.npy", good).write("path_up.npz")
    Zip().add(b"/etc/x.npy", good).write("path_absolute.npz")
    Zip().add(b"a\0b.npy", good).write("name_nul.npz")
    Zip().add(b"a.npy", good).add(b"a.npy", good).write("name_twice.npz")
    Zip().add(b"a.npy", good).add(b"b.npy", good, at=0).write("overlap.npz")
    Zip().add(b"a.npy", good, local={"name": b"b.npy"}).write("local_name.npz")
    Zip().add(b"a.npy", good, local={"size": 9}).write("local_size.npz")
    Zip().add(b"a.npy", good, flags=1).write("encrypted.npz")
    Zip().add(b"a.npy", good, method=99).write("method_99.npz")
    Zip().add(b"a.npy", good, crc=1).write("crc.npz")
    Zip().add(b"a.npy", array, 8, deflated(array + b"more")).write("deflate_longer.npz")
    Zip().add(b"a.npy", array, 8, deflated(array[:-9])).write("deflate_shorter.npz")
    Zip().add(b"a.npy", array, 8, b"\7" * 40).write("deflate_noise.npz")
    Zip().add(b"a.npy", array, 8, deflated(array), size=3 << 30).write("bomb.npz")
    Zip().add(b"a.npy", good, size=0xffffffff, packed=0xffffffff,
              extra=struct.pack("<HHQQ", 1, 16, 1 << 62, 1 << 62)).write("zip64.npz")
    inner = Zip().add(b"a.npy", good)
    inner.write("nested_inner")
    with open(os.path.join(FOLDER, "nested_inner"), "rb") as file:
        Zip().add(b"a.npy", file.read()).write("nested.npz")
    os.remove(os.path.join(FOLDER, "nested_inner"))
    text = deflated(b" " * (40 << 20))
    Zip().add(b"config.json", b" " * 64, 8, text, size=3 << 29).add(b"model.weights.h5", b"x").write("config_bomb.keras")
    Zip().add(b"config.json", b"{}").add(b"model.weights.h5", b"x").write("no_h5.keras")
    Zip().add(b"config.json", b"{}").write("no_weights.keras")


def weights_file(name):
    file = h5py.File(os.path.join(FOLDER, name), "w", libver="earliest")
    file.attrs["layer_names"] = np.array([b"a"])
    group = file.create_group("a")
    group.attrs["weight_names"] = np.array([b"kernel:0"])
    return file, group


def dataset(name, make):
    file, group = weights_file(name)
    with file:
        make(group)


def virtual(group):
    layout = h5py.VirtualLayout((2, 2), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "a", (2, 2))
    group.create_virtual_dataset("kernel:0", layout)


def unknown_filter(group):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((2, 2))
    properties.set_filter(32000, h5py.h5z.FLAG_OPTIONAL, (1, 2))
    h5py.h5d.create(group.id, b"kernel:0", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((2, 2)), properties)


def huge(group, n):
    for k in range(n):
        group.create_dataset("kernel:%d" % k, (1 << 10, 1 << 20), "f4", chunks=(1, 1 << 20))


def hdf5():
    dataset("virtual.h5", virtual)
    dataset("filter.h5", unknown_filter)
    dataset("huge.h5", lambda group: huge(group, 1))
    dataset("huge_many.h5", lambda group: huge(group, 60))
    dataset("external.h5", lambda group: group.create_dataset("kernel:0", (2, 2), "f4",
                                                              external=[("/etc/passwd", 0, 16)]))
    dataset("external_link.h5", lambda group: group.__setitem__("kernel:0", h5py.ExternalLink("/etc/passwd", "a")))
    dataset("soft_loop.h5", lambda group: group.__setitem__("kernel:0", h5py.SoftLink("/a/kernel:0")))
    dataset("soft_dangling.h5", lambda group: group.__setitem__("kernel:0", h5py.SoftLink("/none")))
    dataset("string.h5", lambda group: group.create_dataset("kernel:0", data=np.array([b"ab", b"cd"])))
    dataset("vlen.h5", lambda group: group.create_dataset("kernel:0", (2,), h5py.vlen_dtype("f4")))
    dataset("compound.h5", lambda group: group.create_dataset("kernel:0", (2,), [("a", "f4"), ("b", "i4")]))
    dataset("enum.h5", lambda group: group.create_dataset("kernel:0", (2,), h5py.enum_dtype({"a": 1}, "i4")))
    dataset("complex.h5", lambda group: group.create_dataset("kernel:0", (2,), "c8"))
    dataset("named_type.h5", lambda group: group.__setitem__("kernel:0", np.dtype("f4")))


def main():
    os.makedirs(FOLDER, exist_ok=True)
    archives()
    hdf5()


main()
