"""Data sets: each reads a folder and comes in two splits, one to train on, one held out."""

import csv
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import idx

TEST_DATA = Path(__file__).resolve().parents[2] / "tests" / "data"


@dataclass(frozen=True)
class Dataset:
    """How to read a data set and what may be done to its images."""

    # Folder to ((images, labels) to train on, (images, labels) held out); images [n, c, h, w].
    load: Callable
    classes: int
    # A net takes (pixel / brightest - mean) / std, with one of each for each channel.
    mean: tuple[float, ...]
    std: tuple[float, ...]
    # Training images are moved by up to so many pixels along each axis, black coming in.
    shift: int
    # Whether an image's mirror image is one of the same class.
    mirror: bool
    # The folder if none is given.
    folder: Path = None
    # Pixels are bytes; features are numbers that a net takes as they are.
    brightest: int = 255


def digits(folder):
    """scikit-learn's digits from the files of export_digits.py, scaled up to 28x28."""
    hint = "; make it with export_digits.py"

    def split(name):
        images = idx.read(folder / f"{name}-images.idx3-ubyte", 3, hint)
        labels = idx.read(folder / f"{name}-labels.idx1-ubyte", 1, hint)
        if images.shape[1:] != (8, 8):
            sys.exit(f"{folder}: images of shape {images.shape}; export_digits.py writes 8x8")
        return checked(scaled_up(images)[:, None], labels, 10, folder)

    return split("train"), split("test")


def mnist(folder):
    """MNIST and Fashion-MNIST: four IDX files, as they are or packed by gzip."""

    def find(name):
        names = [f"{name}{ending}" for ending in ("-ubyte", "-ubyte.gz")]
        # Some unpackers write a dot for the last dash.
        names += [other.replace("-idx", ".idx") for other in names]
        found = [folder / name for name in names if (folder / name).is_file()]
        return found[0] if found else sys.exit(f"{folder} has none of {', '.join(names)}")

    def split(name):
        images = idx.read(find(f"{name}-images-idx3"), 3)
        labels = idx.read(find(f"{name}-labels-idx1"), 1)
        return checked(images[:, None], labels, 10, folder)

    return split("train"), split("t10k")


def cifar10(folder):
    """CIFAR-10, binary version: a record is a label and 3x32x32 bytes."""
    train = [f"data_batch_{batch}.bin" for batch in range(1, 6)]
    return cifar(folder, train, 1, 10), cifar(folder, ["test_batch.bin"], 1, 10)


def cifar100(folder):
    """CIFAR-100, binary version: a record is a coarse label, a fine one and 3x32x32 bytes."""
    return cifar(folder, ["train.bin"], 2, 100), cifar(folder, ["test.bin"], 2, 100)


def cifar(folder, names, labels, classes):
    """Files of records that begin with so many labels, of which the last counts."""
    size = labels + 3 * 32 * 32
    parts = []
    for name in names:
        try:
            part = np.fromfile(folder / name, dtype=np.uint8)
        except OSError as error:
            sys.exit(
                f"cannot read {folder / name} ({error.strerror}): the folder must hold the "
                f"binary version of CIFAR-{classes}, unpacked"
            )
        if part.size == 0 or part.size % size:
            sys.exit(f"{folder / name} has {part.size} bytes, no multiple of a record's {size}")
        parts.append(part.reshape(-1, size))
    records = np.concatenate(parts)
    images = records[:, labels:].reshape(-1, 3, 32, 32)
    return checked(images, records[:, labels - 1], classes, folder)


def breast_cancer(folder):
    """Breast Cancer Wisconsin from the files of export_cancer.py: 30 features are 30 channels."""

    def split(name):
        path = folder / f"{name}.csv"
        try:
            with path.open(newline="") as file:
                rows = list(csv.DictReader(file))
        except OSError as error:
            sys.exit(f"cannot read {path} ({error.strerror}); make it with export_cancer.py")
        labels = np.array([int(row.pop("label")) for row in rows])
        features = np.array([[float(value) for value in row.values()] for row in rows])
        return checked(features[:, :, None, None], labels, 2, folder)

    return split("train"), split("test")


def checked(images, labels, classes, folder):
    if len(images) != len(labels):
        sys.exit(f"{folder}: {len(images)} images for {len(labels)} labels")
    if labels.max() >= classes:
        sys.exit(f"{folder}: label {labels.max()}, of {classes} classes")
    return images, labels


def scaled_up(images):
    """8x8 pixels of 0 to 16 as 28x28 of 0 to 255, bilinear.

    Pixels are squares, so the centre of new pixel i lies at (i + 1/2) * 8/28 - 1/2 = (4 i - 5) /
    14; outside of the centres of the old ones the edge goes on. All in integers, hence the same
    everywhere.
    """
    parts = 14
    centre = np.clip(4 * np.arange(28) - 5, 0, parts * 7)
    low = np.minimum(centre // parts, 6)
    weights = np.zeros((28, 8), dtype=np.int64)
    weights[np.arange(28), low] = parts - (centre - parts * low)
    weights[np.arange(28), low + 1] = centre - parts * low
    sums = weights @ images.astype(np.int64) @ weights.T
    whole = 16 * parts * parts
    return ((255 * sums + whole // 2) // whole).astype(np.uint8)


AS_THEY_ARE = {"mean": (0.0,), "std": (1.0,)}

DATASETS = {
    "digits": Dataset(
        digits, 10, **AS_THEY_ARE, shift=2, mirror=False, folder=TEST_DATA / "digits"
    ),
    "breast-cancer": Dataset(
        breast_cancer,
        2,
        **AS_THEY_ARE,
        shift=0,
        mirror=False,
        folder=TEST_DATA / "breast-cancer",
        brightest=1,
    ),
    "mnist": Dataset(mnist, 10, **AS_THEY_ARE, shift=2, mirror=False),
    "fashion-mnist": Dataset(mnist, 10, **AS_THEY_ARE, shift=2, mirror=True),
    "cifar10": Dataset(
        cifar10, 10, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), shift=4, mirror=True
    ),
    "cifar100": Dataset(
        cifar100, 100, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762), shift=4, mirror=True
    ),
}
