"""Bottleneck features of a folder of photos in PyTorch, as its users write it, and the network alone.

    python bench/peer_torch_features.py DIR [mobilenet_v2|vgg16|resnet50] [size [threads [quick]]]

The networks are torchvision's with random weights: time does not depend on them. float32 and bfloat16
autocast, both memory formats, eager and compiled take turns on a batch in memory; the best median is
then used for the folder, with the loader's workers that serve it best (0, 1, 2). `quick` leaves out
most of it.
"""
import statistics
import sys
import time

import torch
import torchvision
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from peer_result import result, times_ms


def network(name):
    net = getattr(torchvision.models, name)(weights=None).eval()
    if name == "resnet50":
        net.fc = torch.nn.Identity()
        return net
    return torch.nn.Sequential(net.features, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()


def run(net, x, bf16, channels_last):
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        return net(x).float()


def best_way(name, size, batch, quick):
    x, best = torch.rand(batch, 3, size, size), None
    for channels_last in (True,) if quick else (False, True):
        for bf16 in (False, True):
            for compiled in (False,) if quick else (False, True):
                net = network(name)
                if channels_last:
                    net = net.to(memory_format=torch.channels_last)
                if compiled:
                    net = torch.compile(net)
                try:
                    for _ in range(1 if quick else 3):
                        run(net, x, bf16, channels_last)
                except Exception as error:  # no compiler, or one that refuses the net
                    print(f"  compiled {compiled}: {type(error).__name__}")
                    continue
                times = times_ms(lambda: run(net, x, bf16, channels_last), 2 if quick else 7)
                ms = statistics.median(times)
                how = (f"{'bf16' if bf16 else 'f32'} {'nhwc' if channels_last else 'nchw'} "
                       f"{'compiled' if compiled else 'eager'}")
                print(f"  {how:18} {ms:8.1f} ms ({times[0]:.1f}-{times[-1]:.1f})")
                result(f"{name} at {size}, batch of {batch}", how, "ms", times)
                if best is None or ms < best[0]:
                    best = (ms, net, bf16, channels_last, how)
    return best


def folder(path, size, batch, best, workers):
    prepare = transforms.Compose([transforms.Resize((size, size)), transforms.ToTensor(),
                                  transforms.Normalize([0.5] * 3, [0.5] * 3)])
    start = time.perf_counter()
    data = datasets.ImageFolder(path, prepare)
    rows = [run(best[1], x, best[2], best[3]) for x, _ in DataLoader(data, batch, num_workers=workers)]
    n = sum(len(r) for r in rows)
    return n, time.perf_counter() - start


def main():
    path, name = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "mobilenet_v2"
    size = int(sys.argv[3]) if len(sys.argv) > 3 else 224
    torch.set_num_threads(int(sys.argv[4]) if len(sys.argv) > 4 else 2)
    print(f"PyTorch {torch.__version__}, {name} at {size}, {torch.get_num_threads()} threads")
    quick = sys.argv[5:] == ["quick"]
    best = best_way(name, size, 16, quick)
    print(f"best of a batch of 16: {best[0]:.1f} ms, {16e3 / best[0]:.0f} photos/s")
    for workers in (0,) if quick else (0, 1, 2):
        n, seconds = folder(path, size, 16, best, workers)
        print(f"folder, {workers} workers: {n} photos in {seconds:.1f} s, {n / seconds:.0f} photos/s")
        result(f"{name} at {size}, folder to features", f"{best[4]}, {workers} workers",
               "photos/s", [n / seconds])


if __name__ == "__main__":
    main()
