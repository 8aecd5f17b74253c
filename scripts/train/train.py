#!/usr/bin/env python3
"""Train a net of the zoo, and write what tercet reads.

  --out FILE        weights, safetensors in half precision (batch norm's own tensors in single)
  --onnx FILE       the same net as ONNX, for other software
  --logits FILE     label and logits of all held-out images, computed from --out in double precision
  --held-out DIR    the held-out images and labels as IDX, for a config's [data-owner]

What is measured is the file, read back, on the held-out images; the last epoch's weights are kept,
so these images choose nothing. With --verify nothing is trained: --out is read.

The schedule is that of Shafran, Segev, Peleg and Hoshen, "Crypto-Oriented Neural Architecture
Design" (2021): stochastic gradient descent, Nesterov momentum of 0.9, a learning rate that falls
along a cosine from 0.1 (SqueezeNet 0.04) to 0, MobileNetV2's weight decay of 0.0002, batch norm
behind every convolution of SqueezeNet, dropout of 0.1 at the end of each block of SqueezeNet for
MNIST and in MobileNetV2 for CIFAR-100 and Fashion-MNIST. The authors average five trainings: use
five --seed.

They do not tell the epochs, the batch, the augmentation and the other nets' weight decay. Here
these are 200 epochs (MNIST 30, digits 60) of batches of 128 (digits 64), random shifts by up to 4
pixels (28x28 images: 2), mirror images except for digits, and the weight decay of the nets' own
publications: SqueezeNet 0.0002, ShuffleNetV2 0.00004. Batch norm is folded into SqueezeNet's
convolutions after training. The digits are trained on as MNIST is. MiniONN's net is trained as
SqueezeNet is, and so are SecureML's and CryptoNets', with batch norm before squares, ten times the
weight decay and no gradient above 0.1, which keep squares small.

XONN's binary nets are trained with Adam, at a rate that falls along a cosine from 0.005 to 0, for
100 epochs (Breast Cancer 30 of batches of 32), with weight decay of 0.001 in the last layer alone.
This was chosen by cross-validation within the training split.
"""

import argparse
import inspect
import math
import sys
import time
from pathlib import Path

import packages

MISSING = packages.missing("numpy", "torch", "safetensors")
if MISSING:
    sys.exit(packages.how_to_install(MISSING))

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import nn
from torch.nn import functional as F

import idx
import nets
import xonn
from data import DATASETS

# Peak learning rate and weight decay.
NETS = {
    "squeezenet": (0.04, 2e-4),
    "shufflenet-v2": (0.1, 4e-5),
    "mobilenet-v2": (0.1, 2e-4),
    "minionn-mnist": (0.04, 2e-4),
    "secureml": (0.04, 2e-3),
    "cryptonets": (0.04, 2e-3),
} | dict.fromkeys(xonn.NAMES, (0.005, 1e-3))
WITH_PLANS = ("squeezenet", "shufflenet-v2", "mobilenet-v2")
# Largest entry of a gradient.
CLIPPED = {"secureml": 0.1, "cryptonets": 0.1}
# Epochs and batch.
LENGTHS = {"digits": (60, 64), "mnist": (30, 128), "breast-cancer": (30, 32)}
OTHER_LENGTHS = (200, 128)
DROPOUT = {
    ("squeezenet", "mnist"): 0.1,
    ("squeezenet", "digits"): 0.1,
    ("mobilenet-v2", "cifar100"): 0.1,
    ("mobilenet-v2", "fashion-mnist"): 0.1,
}
# Images at once where nothing is trained.
SCORED = 250


def main():
    args = arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # The same PyTorch on the same kind of CPU repeats the same bits.
    torch.use_deterministic_algorithms(device == "cpu")

    dataset = DATASETS[args.data]
    train_split, held_out = dataset.load(args.path or dataset.folder)
    shape = held_out[0].shape[1:]
    plan = nets.published(args.net, args.plan, shape[0])
    if not args.verify:
        dropout = DROPOUT.get((args.net, args.data), 0.0)
        options = {"dropout": dropout, "scale": args.scale, "training": True}
        net = nets.build(args.net, plan, shape, dataset.classes, **options).to(device)
        train(net, train_split, dataset, device, args)
        save(nets.inference_state(net), args.out)

    net = nets.build(args.net, plan, shape, dataset.classes, scale=args.scale)
    load(net, args.out)
    if args.onnx:
        export(net, shape, args.onnx)
    scorer = Scorer(net, dataset, device)
    train_logits, logits = scorer.logits(train_split[0]), scorer.logits(held_out[0])
    if args.logits:
        write_logits(args.logits, logits, held_out[1])
    if args.held_out:
        write_held_out(args.held_out, *held_out)

    plan = f", plan {args.plan}" if args.net in WITH_PLANS else ""
    print(f"{args.net}{plan}, on {args.data}: {args.out}")
    print(f"train:                 {score(train_logits, train_split[1])}")
    print(f"held out:              {score(logits, held_out[1])}")
    print(f"largest |weight|:      {max(p.abs().max().item() for p in net.parameters()):.3f}")
    print(f"largest |activation|:  {scorer.largest:.3f} in {scorer.where}")
    print(f"largest |logit|:       {max(train_logits.abs().max(), logits.abs().max()):.3f}")


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--net", choices=NETS, required=True)
    parser.add_argument(
        "--plan", choices=nets.PLANS, default="orig", help="of activations (default orig)"
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="factor of a binary net's widths (default 1)"
    )
    parser.add_argument("--data", choices=DATASETS, required=True)
    parser.add_argument(
        "--path", type=Path, help="folder of a data set that does not come with the repository"
    )
    parser.add_argument("--out", type=Path, required=True, help="safetensors file")
    parser.add_argument("--onnx", type=Path, help="ONNX file to write")
    parser.add_argument("--logits", type=Path, help="CSV file to write")
    parser.add_argument("--held-out", type=Path, help="folder to write")
    parser.add_argument("--verify", action="store_true", help="train nothing, read --out")
    parser.add_argument("--epochs", type=int, help="passes over the data")
    parser.add_argument("--batch", type=int, help="images a step")
    parser.add_argument("--learning-rate", type=float, help="at the start")
    parser.add_argument("--weight-decay", type=float, help="keeps weights small")
    parser.add_argument("--seed", type=int, default=1, help="of weights, order, shifts (default 1)")
    parser.add_argument(
        "--threads", type=int, default=1, help="of the CPU (default 1); another number, other bits"
    )
    args = parser.parse_args()
    defaults = dict(zip(("learning_rate", "weight_decay"), NETS[args.net]))
    defaults |= dict(zip(("epochs", "batch"), LENGTHS.get(args.data, OTHER_LENGTHS)))
    if args.net in xonn.NAMES and args.data == "digits":
        defaults["epochs"] = 100
    for name, value in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    if args.epochs < 1 or args.batch < 2 or args.threads < 1:
        parser.error("--epochs and --threads must be at least 1 and --batch at least 2")
    if args.net not in WITH_PLANS and args.plan != "orig":
        parser.error(f"{args.net} takes no --plan")
    if args.net not in xonn.NAMES and args.scale != 1.0:
        parser.error(f"{args.net} takes no --scale")
    if (args.net == "xonn-cancer") != (args.data == "breast-cancer"):
        parser.error("xonn-cancer and breast-cancer go together")
    if args.held_out and args.data == "breast-cancer":
        parser.error("--held-out writes images; breast-cancer has test.csv")
    if DATASETS[args.data].folder is None and args.path is None:
        parser.error(f"--data {args.data} needs --path: the folder that holds it, unpacked")
    if args.onnx and packages.missing("onnx"):
        parser.error(f"--onnx: {packages.how_to_install(['onnx'])}")
    return args


def train(net, split, dataset, device, args):
    images, labels = torch.from_numpy(split[0]), torch.from_numpy(split[1].astype(np.int64))
    steps = len(images) // args.batch
    if steps == 0:
        sys.exit(f"--batch {args.batch} is more than the {len(images)} training images")
    optimizer = optimizer_of(net, args)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs * steps)
    net.train()
    start = time.monotonic()
    for epoch in range(1, args.epochs + 1):
        losses = 0.0
        order = torch.randperm(len(images))
        for step in range(steps):
            rows = order[step * args.batch : (step + 1) * args.batch]
            batch = normalised(augmented(images[rows], dataset), dataset).to(device)
            optimizer.zero_grad()
            loss = F.cross_entropy(net(batch), labels[rows].to(device))
            loss.backward()
            if args.net in CLIPPED:
                nn.utils.clip_grad_value_(net.parameters(), CLIPPED[args.net])
            optimizer.step()
            xonn.clip(net)
            schedule.step()
            losses += loss.item()
        if not math.isfinite(losses):
            sys.exit(f"epoch {epoch}: the loss is {losses}; use a smaller --learning-rate")
        seconds = time.monotonic() - start
        print(
            f"epoch {epoch}/{args.epochs}: loss {losses / steps:.4f}, {seconds:.0f} s", flush=True
        )


def optimizer_of(net, args):
    if args.net in xonn.NAMES:
        *inner, last = net.children()
        inner = [parameter for layer in inner for parameter in layer.parameters()]
        decayed = {"params": last.parameters(), "weight_decay": args.weight_decay}
        return torch.optim.Adam([{"params": inner}, decayed], lr=args.learning_rate)
    return torch.optim.SGD(
        net.parameters(),
        lr=args.learning_rate,
        momentum=0.9,
        nesterov=True,
        weight_decay=args.weight_decay,
    )


def augmented(images, dataset):
    """Each image moved by a few pixels, and half of them mirrored if that changes no class."""
    shift, (height, width) = dataset.shift, images.shape[2:]
    padded = F.pad(images, (shift, shift, shift, shift))
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    down, right = torch.randint(0, 2 * shift + 1, (2, len(images)))
    images = windows[torch.arange(len(images)), :, down, right]
    if dataset.mirror:
        mirrored = torch.rand(len(images)) < 0.5
        images[mirrored] = images[mirrored].flip(3)
    return images


def normalised(images, dataset, dtype=torch.float32):
    """What a net takes: as a config's [data-owner] does with the same mean and std."""
    mean, std = (
        torch.tensor(values, dtype=dtype)[:, None, None] for values in (dataset.mean, dataset.std)
    )
    return (images.to(dtype) / dataset.brightest - mean) / std


def save(state, path):
    """Half precision but for batch norm, whose variances may be too small for it."""
    norms = {name.rpartition(".")[0] for name in state if name.endswith("running_var")}
    state = {
        name: (tensor if name.rpartition(".")[0] in norms else tensor.half()).contiguous()
        for name, tensor in state.items()
    }
    path.write_bytes(safetensors.save(state))


def load(net, path):
    """Puts a file's weights into a net, in evaluation mode."""
    try:
        state = safetensors.load(path.read_bytes())
    except OSError as error:
        sys.exit(f"cannot read {path} ({error.strerror})")
    except SafetensorError as error:
        sys.exit(f"{path} is no whole safetensors file ({error})")
    shapes = {name: tensor.shape for name, tensor in state.items()}
    needed = {name: tensor.shape for name, tensor in nets.inference_state(net).items()}
    if shapes != needed:
        names = sorted(name for name, _ in shapes.items() ^ needed.items())
        sys.exit(f"{path} is of another net, plan or data set: see {names[0]}")
    net.load_state_dict({name: tensor.float() for name, tensor in state.items()}, strict=False)
    net.eval()


class Scorer:
    """Evaluates a net in double precision and remembers its largest value behind any layer.

    A convolution's output before batch norm does not count: tercet folds the two. Nor does batch
    norm's before a sign: it becomes a threshold of the layer before.
    """

    def __init__(self, net, dataset, device):
        self.net, self.dataset, self.device = net.double().to(device), dataset, device
        self.largest, self.where = 0.0, ""
        norms = any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
        uncounted = (nn.Conv2d, nn.Sequential) if norms else ()
        if xonn.binary_layers(net):
            uncounted = (nn.BatchNorm1d, nn.BatchNorm2d)
        for name, module in net.named_modules():
            if name and not isinstance(module, uncounted):
                module.register_forward_hook(lambda _, __, y, name=name: self.see(name, y))

    def see(self, name, values):
        largest = values.abs().max().item()
        if largest > self.largest:
            self.largest, self.where = largest, name

    def logits(self, images):
        logits = []
        with torch.no_grad():
            for part in torch.from_numpy(images).split(SCORED):
                part = normalised(part, self.dataset, torch.float64)
                logits.append(self.net(part.to(self.device)).cpu())
        return torch.cat(logits)


def export(net, shape, path):
    """ONNX of a batch of any size."""
    options = {"input_names": ["image"], "output_names": ["logits"], "opset_version": 13}
    options["dynamic_axes"] = {"image": {0: "batch"}, "logits": {0: "batch"}}
    # Newer PyTorch has a second exporter, and needs more packages for it.
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = False
    torch.onnx.export(net, torch.zeros(1, *shape), str(path), **options)


def write_logits(path, logits, labels):
    lines = ["label," + ",".join(f"logit{i}" for i in range(logits.shape[1]))]
    for label, row in zip(labels.tolist(), logits.tolist()):
        lines.append(",".join([str(label), *(f"{value:.9g}" for value in row)]))
    path.write_text("\n".join(lines) + "\n")


def write_held_out(folder, images, labels):
    folder.mkdir(parents=True, exist_ok=True)
    if images.shape[1] == 1:
        images = images[:, 0]
    idx.write(folder / f"test-images.idx{images.ndim}-ubyte", images)
    idx.write(folder / "test-labels.idx1-ubyte", labels)


def score(logits, labels):
    right = int((logits.argmax(dim=1).numpy() == labels).sum())
    return f"{right}/{len(labels)} = {100 * right / len(labels):.2f} %"


if __name__ == "__main__":
    main()
