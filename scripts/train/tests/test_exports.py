"""Exports give the files of tests/data again, byte for byte."""

import sys

import numpy as np
import pytest

import export_cancer
import export_digits


@pytest.mark.parametrize("export", [export_digits, export_cancer])
def test_the_committed_files_come_out(export, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["export", "--out", str(tmp_path)])
    export.main()
    made = sorted(tmp_path.iterdir())
    assert len(made) == (4 if export is export_digits else 2)
    for path in made:
        assert path.read_bytes() == (export.OUT / path.name).read_bytes(), path.name


def test_splits_keep_the_proportions_of_classes():
    labels = np.repeat([0, 1, 2], [50, 100, 25])
    train, held_out = export_digits.stratified_split(labels)
    assert sorted([*train, *held_out]) == list(range(len(labels)))
    assert list(np.bincount(labels[held_out])) == [10, 20, 5]
    again, _ = export_digits.stratified_split(labels)
    assert (again == train).all()
