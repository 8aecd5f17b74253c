#!/usr/bin/env python3
"""Export scikit-learn's Breast Cancer Wisconsin set as CSV: train.csv and test.csv.

The set is the 569 tumours of the UCI collection that scikit-learn ships (no download), with 30
features each. A feature is standardised by its mean and standard deviation in the training split.
The label is 0 (malignant) or 1 (benign). The split is shuffled, stratified by label and the same on
every run: 455 tumours to train on, 114 held out.
"""

import argparse
import csv
import sys
from pathlib import Path

import packages

MISSING = packages.missing("numpy", "sklearn")
if not MISSING:
    from sklearn.datasets import load_breast_cancer

    from export_digits import stratified_split

OUT = Path(__file__).resolve().parents[2] / "tests" / "data" / "breast-cancer"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=OUT, help=f"folder to write (default {OUT})")
    args = parser.parse_args()
    if MISSING:
        sys.exit(packages.how_to_install(MISSING))

    data = load_breast_cancer()
    if data.data.shape != (569, 30) or list(data.target_names) != ["malignant", "benign"]:
        sys.exit("load_breast_cancer() is not the set this script knows; use scikit-learn 1.x")
    train, held_out = stratified_split(data.target)
    mean, deviation = data.data[train].mean(axis=0), data.data[train].std(axis=0)
    features = (data.data - mean) / deviation
    names = [name.replace(" ", "_") for name in data.feature_names]
    args.out.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", train), ("test", held_out)):
        with (args.out / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*names, "label"])
            for row in rows:
                writer.writerow([*(f"{value:.4f}" for value in features[row]), data.target[row]])
        malignant = sum(data.target[rows] == 0)
        print(f"{name}: {len(rows)} tumours, {malignant} of them malignant")


if __name__ == "__main__":
    main()
