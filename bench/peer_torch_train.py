"""A whole training in PyTorch, as its users write it, in one process, and the accuracy that it ends with.

    python bench/peer_torch_train.py post|finetune|best DIR [epochs [threads [workers]]]

post and finetune are the post's first and third scripts, the latter on random weights and with the frozen part
computed anew. best is a plain way of today for a small residual net from scratch on 128 x 128: random crops, mirrored,
colours; SGD with Nesterov momentum and one cycle; smoothed labels; averaged weights, which judge a photo and its mirror
image. bf16, channels last, eager.
"""
import sys

import torch
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from peer_torch_epoch import Binary, Training, loaders
from peer_torch_nets import Residual, finetune, post

HOW, SIDE, BATCH = "bf16 nhwc eager", 128, 32


class Best(Training):
    def __init__(self, steps):
        super().__init__(Residual((16, 32, 64, 128, 256), 0.2), HOW)
        kernels = [p for p in self.net.parameters() if p.ndim > 1]
        others = [p for p in self.net.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.SGD([{"params": kernels, "weight_decay": 5e-4}, {"params": others}], 0.1,
                                         momentum=0.9, nesterov=True, foreach=True)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, 0.1, steps, pct_start=0.15)
        self.average = AveragedModel(self.net, multi_avg_fn=get_ema_multi_avg_fn(0.998), use_buffers=True)

    def loss(self, z, t):
        return F.cross_entropy(z, t, label_smoothing=0.1)

    def step(self, x, t):
        super().step(x, t)
        self.schedule.step()
        self.average.update_parameters(self.net)

    def answers(self, x):
        self.run = self.average.eval()
        z = self.outputs(x).softmax(1) + self.outputs(x.flip(3)).softmax(1)
        self.run = self.net
        return z.argmax(1)


def best_loaders(path, workers):
    finish = [transforms.ToTensor(), transforms.Normalize([0.46] * 3, [0.25] * 3)]
    changes = [transforms.RandomResizedCrop(SIDE, (0.35, 1)), transforms.RandomHorizontalFlip(),
               transforms.ColorJitter(0.2, 0.3, 0.5)]
    parts = [datasets.ImageFolder(f"{path}/{part}", transforms.Compose(steps + finish))
             for part, steps in (("train", changes), ("validation", [transforms.Resize((SIDE, SIDE))]))]
    keep = {"num_workers": workers, "persistent_workers": workers > 0}
    return DataLoader(parts[0], BATCH, shuffle=True, drop_last=True, **keep), DataLoader(parts[1], BATCH, **keep)


def main():
    name, path = sys.argv[1:3]
    epochs = int(sys.argv[3]) if len(sys.argv) > 3 else 50
    torch.set_num_threads(int(sys.argv[4]) if len(sys.argv) > 4 else 2)
    torch.manual_seed(1)
    train, validation = (best_loaders if name == "best" else loaders)(path, int(sys.argv[5]) if len(sys.argv) > 5 else 0)
    if name == "best":
        training = Best(epochs * len(train))
    else:
        training = Binary(finetune() if name == "finetune" else post(), HOW, name == "finetune")
    for epoch in range(epochs):
        right = training.epoch(train, validation)
        print(f"epoch {epoch + 1} of {epochs}: accuracy {right / len(validation.dataset):.4f}", flush=True)


if __name__ == "__main__":
    main()
