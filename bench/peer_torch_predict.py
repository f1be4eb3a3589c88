"""Prediction in PyTorch, as its users write it.

    python bench/peer_torch_predict.py save NET FILE
    python bench/peer_torch_predict.py one NET FILE PHOTO
    python bench/peer_torch_predict.py folder NET FILE DIR [workers [bf16]]
    python bench/peer_torch_predict.py warm NET FILE PHOTO [threads [rounds [quick]]]

NET is post or mobilenet_v2, with two classes. `one` and `folder` are timed as whole processes; bf16 is by
autocast, channels last. `warm` tries float32 and bfloat16 autocast, both memory formats, eager and
compiled, one photo after the other from file to answer; `quick` leaves out most of it.
"""
import sys

import torch
from PIL import Image
from torchvision import transforms

from peer_result import latency, times_ms


def network(name):
    if name == "post":
        from peer_torch_nets import post
        return post().eval(), 150
    from torchvision.models import mobilenet_v2
    return mobilenet_v2(weights=None, num_classes=2).eval(), 224


def loaded(name, file):
    net, side = network(name)
    net.load_state_dict(torch.load(file))
    return net, transforms.Compose([transforms.Resize((side, side)), transforms.ToTensor()])


def open_photo(path):
    with Image.open(path) as photo:
        return photo.convert("RGB")


def answer(net, x):
    z = net(x).float()
    return torch.sigmoid(z) if z.shape[1] == 1 else torch.softmax(z, 1)


def folder(net, prepare, path, workers, bf16):
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    data = ImageFolder(path, prepare, loader=open_photo)
    form = torch.channels_last if bf16 else torch.contiguous_format
    net = net.to(memory_format=form)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        rows = torch.cat([answer(net, x.contiguous(memory_format=form))
                          for x, _ in DataLoader(data, 16, num_workers=workers)])
    for (name, _), row in zip(data.samples, rows.tolist()):
        print(name, row)


def warm(name, file, photo, rounds, quick):
    for channels_last in (False, True):
        for bf16 in (False, True):
            for compiled in (False,) if quick else (False, True):
                net, prepare = loaded(name, file)
                form = torch.channels_last if channels_last else torch.contiguous_format
                net = net.to(memory_format=form)
                run = torch.compile(net) if compiled else net

                def one():
                    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                        x = prepare(open_photo(photo))[None].contiguous(memory_format=form)
                        answer(run, x).tolist()

                how = (f"{'bf16' if bf16 else 'f32'} {'nhwc' if channels_last else 'nchw'} "
                       f"{'compiled' if compiled else 'eager'}")
                try:
                    latency(name, how, times_ms(one, rounds, 5))
                except Exception as error:  # no compiler, or one that refuses the net
                    print(f"{how}: {type(error).__name__}")


def main():
    what, name, file, *rest = sys.argv[1:]
    if what == "save":
        torch.save(network(name)[0].state_dict(), file)
    elif what == "warm":
        torch.set_num_threads(int(rest[1]) if len(rest) > 1 else 2)
        warm(name, file, rest[0], int(rest[2]) if len(rest) > 2 else 300, rest[3:] == ["quick"])
    elif what == "folder":
        folder(*loaded(name, file), rest[0], int(rest[1]) if len(rest) > 1 else 0, rest[2:] == ["bf16"])
    else:
        net, prepare = loaded(name, file)
        with torch.inference_mode():
            print(rest[0], answer(net, prepare(open_photo(rest[0]))[None]).tolist())


if __name__ == "__main__":
    main()
