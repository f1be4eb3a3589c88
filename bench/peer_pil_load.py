"""Photos a second from files to batches with Pillow and SciPy, step by step what Keras does.

    python bench/peer_pil_load.py DIR [processes [epochs]]

The post's preparation: RGB, 150 x 150 by nearest neighbour, random shear, zoom and mirroring by one affine
transform a channel of order 1, rescaled. One process works by itself, several are a pool; every epoch
decodes anew. bench_load is the counterpart.
"""
import json
import math
import multiprocessing
import pathlib
import sys
import time

import numpy
from PIL import Image
from scipy import ndimage

SIDE, BATCH = 150, 16


def prepare(job):
    path, seed = job
    random = numpy.random.default_rng(seed)
    photo = Image.open(path).convert("RGB").resize((SIDE, SIDE), Image.Resampling.NEAREST)
    x = numpy.asarray(photo, dtype=numpy.float32)
    angle = math.radians(random.uniform(-0.2, 0.2))
    zoom = random.uniform(0.8, 1.2, 2)
    matrix = numpy.array([[1, -math.sin(angle)], [0, math.cos(angle)]]) @ numpy.diag(zoom)
    middle = numpy.full(2, SIDE / 2 - 0.5)
    offset = middle - matrix @ middle
    channels = [ndimage.affine_transform(x[..., c], matrix, offset, order=1, mode="nearest") for c in range(3)]
    x = numpy.stack(channels, axis=-1)
    if random.random() < 0.5:
        x = x[:, ::-1]
    return x * numpy.float32(1 / 255)


def main():
    path = pathlib.Path(sys.argv[1])
    path = path / "train" if (path / "train").is_dir() else path
    processes = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    epochs = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    files = sorted(p for p in path.glob("*/*") if p.is_file())
    pool = multiprocessing.Pool(processes) if processes > 1 else None
    rates = []
    for epoch in range(epochs + 1):
        jobs = [(file, epoch * len(files) + i) for i, file in enumerate(files)]
        start = time.perf_counter()
        ready = pool.imap(prepare, jobs, BATCH) if pool else map(prepare, jobs)
        rows = []
        for x in ready:
            rows.append(x)
            if len(rows) == BATCH:
                numpy.stack(rows)
                rows = []
        rates.append(len(files) / (time.perf_counter() - start))
    print("RESULT " + json.dumps({"work": f"photos to batches, {processes} thread{'s'[:processes - 1]}", "who": "Pillow and SciPy",
                                  "how": "decoded every epoch", "unit": "photos/s", "values": rates[1:]}))


if __name__ == "__main__":
    main()
