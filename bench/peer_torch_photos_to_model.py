"""From a folder of photos to a judged model in PyTorch, as its users write it, in one process.

    python bench/peer_torch_photos_to_model.py DIR [threads [workers [eager|compiled [NETWORK SIZE]]]]

DIR has train/ and validation/. Loader workers (2) resize to 224 x 224; torchvision's mobilenet_v2 with random
weights (time does not depend on them) gives features in bf16, channels last, compiled, which pays from some
hundred photos on; a logistic regression is fitted by LBFGS on standardised features, for one penalty of those that
Thimble tries, and judged on validation/. Time counts from the start of the process, imports included. With NETWORK, one of
torchvision's, only its features of all photos below DIR, pooled, to a file.
"""
import pathlib
import sys

import torch
import torchvision
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from peer_torch_features import network

BATCH, PENALTY = 16, 0.01


def features(net, path, workers, size=224):
    prepare = transforms.Compose([transforms.Resize((size, size)), transforms.ToTensor(),
                                  transforms.Normalize([0.5] * 3, [0.5] * 3)])
    rows, labels = [], []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for x, y in DataLoader(datasets.ImageFolder(path, prepare), BATCH, num_workers=workers):
            rows.append(net(x.contiguous(memory_format=torch.channels_last)).float())
            labels.append(y)
    return torch.cat(rows).clone(), torch.cat(labels)


def fit(x, y):
    layer = torch.nn.Linear(x.shape[1], int(y.max()) + 1)
    lbfgs = torch.optim.LBFGS(layer.parameters(), max_iter=500, line_search_fn="strong_wolfe")

    def closure():
        lbfgs.zero_grad()
        loss = torch.nn.functional.cross_entropy(layer(x), y) + PENALTY / 2 * layer.weight.square().sum()
        loss.backward()
        return loss

    lbfgs.step(closure)
    return layer


def main():
    path = pathlib.Path(sys.argv[1])
    torch.set_num_threads(int(sys.argv[2]) if len(sys.argv) > 2 else 2)
    name, size = (sys.argv[5], int(sys.argv[6])) if len(sys.argv) > 5 else ("mobilenet_v2", 224)
    net = network(name)
    net = net.eval().to(memory_format=torch.channels_last)
    workers = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    if sys.argv[4:5] != ["eager"]:
        net = torch.compile(net)
    if len(sys.argv) > 5:
        torch.save(features(net, path, workers, size), "/dev/null")
        return
    x, y = features(net, path / "train", workers)
    mean, scale = x.mean(0), x.std(0) + 1e-6
    layer = fit((x - mean) / scale, y)
    x, y = features(net, path / "validation", workers)
    with torch.inference_mode():
        right = (layer((x - mean) / scale).argmax(1) == y).float().mean()
    torch.save(layer.state_dict(), "/dev/null")
    print(f"accuracy {right:.4f} on {len(y)} photos")


if __name__ == "__main__":
    main()
