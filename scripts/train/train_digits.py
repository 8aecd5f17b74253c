#!/usr/bin/env python3
"""Train the small convolutional net of the digits demo, on the CPU, in seconds.

Reads the IDX files that export_digits.py writes and leaves beside them
  digits-cnn.safetensors  float32 weights under PyTorch's state_dict names
  expected-logits.csv     label and logits of the first held-out images, in evaluation mode
Only the training split is trained on; the last epoch's weights are kept, so the held-out images
choose nothing.
"""

import argparse
import sys
from collections import OrderedDict
from pathlib import Path

import packages

MISSING = packages.missing("numpy", "torch", "safetensors")
if not MISSING:
    import numpy as np
    import torch
    from safetensors import numpy as safetensors
    from torch import nn
    from torch.nn import functional as F

    import idx

SIDE, BRIGHTEST = 8, 16
EXPECTED_ROWS = 100
DATA = Path(__file__).resolve().parents[2] / "tests" / "data" / "digits"


def main():
    args = arguments()
    if MISSING:
        sys.exit(packages.how_to_install(MISSING))
    # One thread and fixed seeds: the same PyTorch on the same kind of CPU repeats the same bits.
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    train_x, train_y = split(args.data, "train")
    test_x, test_y = split(args.data, "test")
    net = digits_cnn()
    train(net, train_x, train_y, args)

    weights = args.data / "digits-cnn.safetensors"
    save(net, weights)
    # What is measured is the file, not the net in memory.
    net = load(weights)
    with torch.no_grad():
        train_logits, test_logits = net(train_x), net(test_x)
    write_expected(args.data / "expected-logits.csv", test_logits, test_y)

    print(f"train:                    {score(train_logits, train_y)}")
    print(f"held out:                 {score(test_logits, test_y)}")
    first = slice(EXPECTED_ROWS)
    print(f"held out, first {EXPECTED_ROWS}:      {score(test_logits[first], test_y[first])}")
    print(f"largest |folded weight|:  {largest_folded_weight(net):.3f}")
    print(f"largest |activation|:     {largest_activation(net, torch.cat([train_x, test_x])):.3f}")


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=DATA, help=f"folder of the IDX files (default {DATA})"
    )
    parser.add_argument(
        "--epochs", type=int, default=100, help="passes over the data (default 100)"
    )
    parser.add_argument("--batch", type=int, default=64, help="images a step (default 64)")
    parser.add_argument(
        "--learning-rate", type=float, default=0.05, help="peak of the one cycle (default 0.05)"
    )
    parser.add_argument(
        "--weight-decay", type=float, default=2e-3, help="keeps weights small (default 0.002)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of weights, order and shifts (default 1)"
    )
    args = parser.parse_args()
    if args.epochs < 1 or args.batch < 2:
        parser.error("--epochs must be at least 1 and --batch at least 2")
    return args


def digits_cnn():
    """1x8x8 pixels in [0, 1] to 10 logits; the names of the layers are those in the file."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 16, 3, padding=1, bias=False),
            bn1=nn.BatchNorm2d(16, eps=1e-5),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(16, 32, 3, padding=1, bias=False),
            bn2=nn.BatchNorm2d(32, eps=1e-5),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(128, 64),
            relu3=nn.ReLU(),
            fc2=nn.Linear(64, 10),
        )
    )


def train(net, images, labels, args):
    """Stochastic gradient descent with one learning-rate cycle over randomly shifted images."""
    steps = len(images) // args.batch
    if steps == 0:
        sys.exit(f"--batch {args.batch} is more than the {len(images)} training images")
    optimizer = torch.optim.SGD(
        net.parameters(),
        lr=args.learning_rate,
        momentum=0.9,
        nesterov=True,
        weight_decay=args.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, args.learning_rate, total_steps=args.epochs * steps
    )
    net.train()
    for _ in range(args.epochs):
        order = torch.randperm(len(images))
        for step in range(steps):
            rows = order[step * args.batch : (step + 1) * args.batch]
            optimizer.zero_grad()
            F.cross_entropy(net(shifted(images[rows])), labels[rows]).backward()
            optimizer.step()
            schedule.step()


def shifted(images):
    """Each image moved by -1, 0 or 1 pixel along each axis, black coming in."""
    windows = F.pad(images, (1, 1, 1, 1)).unfold(2, SIDE, 1).unfold(3, SIDE, 1)
    down, right = torch.randint(0, 3, (2, len(images)))
    return windows[torch.arange(len(images)), :, down, right]


def split(folder, name):
    """One split: images [n, 1, 8, 8] scaled to [0, 1], labels [n]."""
    hint = "; make it with export_digits.py"
    images = idx.read(folder / f"{name}-images.idx3-ubyte", 3, hint)
    labels = idx.read(folder / f"{name}-labels.idx1-ubyte", 1, hint)
    if images.shape != (len(labels), SIDE, SIDE):
        sys.exit(f"{name}: images of shape {images.shape} for {len(labels)} labels in {folder}")
    pixels = torch.from_numpy(images.astype(np.float32) / BRIGHTEST)
    return pixels.unsqueeze(1), torch.from_numpy(labels.astype(np.int64))


def save(net, path):
    """Write the weights; the batch counters of batch norm mean nothing outside PyTorch."""
    state = {
        name: tensor.numpy()
        for name, tensor in net.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    path.write_bytes(safetensors.save(state))


def load(path):
    """The net of the file, in evaluation mode."""
    net = digits_cnn()
    state = {name: torch.from_numpy(array) for name, array in safetensors.load_file(path).items()}
    mismatch = net.load_state_dict(state, strict=False)
    assert not mismatch.unexpected_keys
    assert all(name.endswith("num_batches_tracked") for name in mismatch.missing_keys)
    return net.eval()


def write_expected(path, logits, labels):
    """Label and logits of the first rows; nine digits give back the same float32."""
    lines = ["label," + ",".join(f"logit{i}" for i in range(logits.shape[1]))]
    for label, row in zip(labels[:EXPECTED_ROWS].tolist(), logits[:EXPECTED_ROWS].tolist()):
        lines.append(",".join([str(label), *(f"{value:.9g}" for value in row)]))
    path.write_text("\n".join(lines) + "\n")


def score(logits, labels):
    right = int((logits.argmax(dim=1) == labels).sum())
    return f"{right}/{len(labels)} = {100 * right / len(labels):.2f} %"


def largest_folded_weight(net):
    """Over all weights and biases once batch norm is folded into the convolution before it."""
    values = [*net.fc1.parameters(), *net.fc2.parameters()]
    for conv, bn in ((net.conv1, net.bn1), (net.conv2, net.bn2)):
        scale = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        values += [conv.weight * scale[:, None, None, None], bn.bias - bn.running_mean * scale]
    return max(value.abs().max().item() for value in values)


def largest_activation(net, images):
    """Over the outputs of every layer of the folded net: its convolutions are those after bn."""
    largest = 0.0
    with torch.no_grad():
        for name, layer in net.named_children():
            images = layer(images)
            if name not in ("conv1", "conv2"):
                largest = max(largest, images.abs().max().item())
    return largest


if __name__ == "__main__":
    main()
