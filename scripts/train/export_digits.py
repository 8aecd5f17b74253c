#!/usr/bin/env python3
"""Export scikit-learn's handwritten digits as IDX files, the format of MNIST.

The set is the 1797 8x8 images of the UCI optical-recognition collection that scikit-learn ships
(no download). Pixels keep their original values 0..16. The split is shuffled, stratified by
label and the same on every run: 1437 images to train on, 360 held out.
"""

import argparse
import sys
from pathlib import Path

import packages

MISSING = packages.missing("numpy", "sklearn")
if not MISSING:
    import numpy as np
    from sklearn.datasets import load_digits

    import idx

SPLIT_SEED = 20190
IMAGES, SIDE, CLASSES, BRIGHTEST = 1797, 8, 10, 16
# Every fifth image of each class: ceil(1797 / 5) = 360 held out.
HELD_OUT_STRIDE = 5
OUT = Path(__file__).resolve().parents[2] / "tests" / "data" / "digits"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=OUT, help=f"folder to write (default {OUT})")
    args = parser.parse_args()
    if MISSING:
        sys.exit(packages.how_to_install(MISSING))

    images, labels = digits()
    train, held_out = stratified_split(labels)
    args.out.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", train), ("test", held_out)):
        idx.write(args.out / f"{name}-images.idx3-ubyte", images[rows])
        idx.write(args.out / f"{name}-labels.idx1-ubyte", labels[rows])
        counts = " ".join(str(n) for n in np.bincount(labels[rows], minlength=CLASSES))
        print(f"{name}: {len(rows)} images; of each digit: {counts}")


def digits():
    """The whole set as bytes: images [1797, 8, 8] with values 0..16, labels [1797]."""
    data = load_digits()
    images, labels = data.images.astype(np.uint8), data.target.astype(np.uint8)
    as_expected = (
        images.shape == (IMAGES, SIDE, SIDE)
        and (images == data.images).all()
        and images.max() == BRIGHTEST
        and (np.unique(labels) == np.arange(CLASSES)).all()
    )
    if not as_expected:
        sys.exit("load_digits() is not the set this script knows; use scikit-learn 1.x")
    return images, labels


def stratified_split(labels):
    """Indices (train, held out), each in shuffled order, each class split in proportion."""
    # RandomState's stream is frozen by numpy's compatibility policy; Generator's may change.
    shuffled = np.random.RandomState(SPLIT_SEED).permutation(len(labels))
    by_label = np.argsort(labels[shuffled], kind="stable")
    held_out = np.zeros(len(labels), dtype=bool)
    held_out[by_label[::HELD_OUT_STRIDE]] = True
    return shuffled[~held_out], shuffled[held_out]


if __name__ == "__main__":
    main()
