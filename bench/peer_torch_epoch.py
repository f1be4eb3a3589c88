"""An epoch of the post's net on real photos in PyTorch, as its users write it, validation included.

    python bench/peer_torch_epoch.py DIR [epochs [threads [quick]]]

Photos are opened by Pillow in a data set, changed as the post does (shear, zoom, mirrored, rescaled) and
collected by DataLoader in batches of 16. float32 and bfloat16 autocast, eager and compiled take turns on a
batch in memory; the best of them is then trained with 0, 1 and 2 loader workers. The first epoch warms up.
`quick` leaves out most of it. bench_epoch is the counterpart.
"""
import math
import statistics
import sys
import time

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from peer_result import result, times_ms
from peer_torch_nets import post

SIDE, BATCH = 150, 16
WAYS = {"f32 nchw eager": (False, False), "bf16 nhwc eager": (True, False), "bf16 nhwc compiled": (True, True)}


class Training:
    def __init__(self, net, how):
        self.bf16, compiled = WAYS[how]
        self.format = torch.channels_last if self.bf16 else torch.contiguous_format
        self.net = net.to(memory_format=self.format)
        self.run = torch.compile(self.net) if compiled else self.net

    def outputs(self, x):
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            return self.run(x.contiguous(memory_format=self.format)).float()

    def step(self, x, t):
        self.optimizer.zero_grad()
        self.loss(self.outputs(x), t).backward()
        self.optimizer.step()

    def epoch(self, train, validation):
        """Also how many it gets right afterwards."""
        self.net.train()
        for x, t in train:
            self.step(x, t)
        self.net.eval()
        with torch.inference_mode():
            return sum(int((self.answers(x) == t).sum()) for x, t in validation)


class Binary(Training):
    """A net of the post's: RMSprop, or SGD for the few weights that learn."""
    def __init__(self, net, how, sgd=False):
        super().__init__(net, how)
        parameters = [p for p in self.net.parameters() if p.requires_grad]
        self.optimizer = (torch.optim.SGD(parameters, 1e-4, momentum=0.9, foreach=True) if sgd else
                          torch.optim.RMSprop(parameters, 1e-3, alpha=0.9, foreach=True))

    def loss(self, z, t):
        return F.binary_cross_entropy_with_logits(z[:, 0], t.float())

    def answers(self, x):
        return self.outputs(x)[:, 0] > 0


def loaders(path, workers):
    changes = [transforms.RandomAffine(0, scale=(0.8, 1.2), shear=math.degrees(0.2)), transforms.RandomHorizontalFlip()]
    plain = [transforms.Resize((SIDE, SIDE)), transforms.ToTensor()]
    keep = {"num_workers": workers, "persistent_workers": workers > 0}
    train = datasets.ImageFolder(f"{path}/train", transforms.Compose(plain[:1] + changes + plain[1:]))
    validation = datasets.ImageFolder(f"{path}/validation", transforms.Compose(plain))
    return DataLoader(train, BATCH, shuffle=True, **keep), DataLoader(validation, BATCH, **keep)


def best_way(ways):
    x, t, medians = torch.rand(BATCH, 3, SIDE, SIDE), torch.randint(0, 2, (BATCH,)), {}
    for how in ways:
        try:
            training = Binary(post(), how)
            medians[how] = statistics.median(times_ms(lambda: training.step(x, t), 7, 3))
        except Exception as error:  # no compiler, or one that refuses the net
            print(f"{how}: {type(error).__name__}")
    return min(medians, key=medians.get)


def main():
    path, epochs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    torch.set_num_threads(int(sys.argv[3]) if len(sys.argv) > 3 else 2)
    quick = sys.argv[4:] == ["quick"]
    how = best_way(list(WAYS)[:2] if quick else WAYS)
    for workers in (0, 1) if quick else (0, 1, 2):
        train, validation = loaders(path, workers)
        training, seconds = Binary(post(), how), []
        for _ in range(epochs + 1):
            start = time.perf_counter()
            training.epoch(train, validation)
            seconds.append(time.perf_counter() - start)
        work = f"post, epoch of {len(train.dataset)} photos, {len(validation.dataset)} validated"
        result(work, f"{how}, {workers} workers", "s", seconds[1:])


if __name__ == "__main__":
    main()
