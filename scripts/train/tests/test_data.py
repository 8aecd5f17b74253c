"""Data sets: the files that there are, and small ones made here."""

import gzip

import numpy as np
import pytest

import data
import idx


def test_the_digits_are_scaled_up():
    dataset = data.DATASETS["digits"]
    (images, labels), (held_out, held_out_labels) = dataset.load(dataset.folder)
    assert (images.shape, held_out.shape) == ((1437, 1, 28, 28), (360, 1, 28, 28))
    assert (len(labels), len(held_out_labels)) == (1437, 360)
    assert (images.dtype, images.max()) == (np.uint8, 255)


def test_scaling_up_keeps_what_is_even_and_what_is_symmetric():
    even = np.full((1, 8, 8), 16, dtype=np.uint8)
    assert (data.scaled_up(even) == 255).all()
    ramp = np.broadcast_to(np.arange(8, dtype=np.uint8) * 2, (1, 8, 8))
    scaled = data.scaled_up(ramp)[0]
    assert (scaled == scaled[0]).all()
    assert (np.diff(scaled[0].astype(int)) >= 0).all()
    assert (data.scaled_up(ramp[:, :, ::-1])[0] == scaled[:, ::-1]).all()


def test_breast_cancer_has_a_channel_for_every_feature():
    dataset = data.DATASETS["breast-cancer"]
    (features, labels), (held_out, _) = dataset.load(dataset.folder)
    assert (features.shape, held_out.shape) == ((455, 30, 1, 1), (114, 30, 1, 1))
    assert set(labels) == {0, 1}
    assert abs(features.mean()) < 1e-3


def test_mnist_is_found_under_all_its_names(tmp_path):
    images = np.arange(2 * 28 * 28, dtype=np.uint16).astype(np.uint8).reshape(2, 28, 28)
    labels = np.array([3, 9], dtype=np.uint8)
    idx.write(tmp_path / "train-images-idx3-ubyte", images)
    idx.write(tmp_path / "train-labels.idx1-ubyte", labels)
    idx.write(tmp_path / "plain", images)
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(
        gzip.compress((tmp_path / "plain").read_bytes())
    )
    with pytest.raises(SystemExit, match="has none of t10k-labels-idx1-ubyte"):
        data.mnist(tmp_path)
    idx.write(tmp_path / "t10k-labels-idx1-ubyte", labels)
    (train, train_labels), (test, _) = data.mnist(tmp_path)
    assert (train[:, 0] == images).all() and (test == train).all()
    assert list(train_labels) == [3, 9]


def test_records_of_cifar_are_labels_and_images(tmp_path):
    image = np.arange(3 * 32 * 32, dtype=np.uint16).astype(np.uint8)
    record = bytes([7, 42]) + image.tobytes()
    for name in ("train.bin", "test.bin"):
        (tmp_path / name).write_bytes(2 * record)
    (images, labels), _ = data.cifar100(tmp_path)
    assert (images[1] == image.reshape(3, 32, 32)).all()
    assert list(labels) == [42, 42]
    with pytest.raises(SystemExit, match="must hold the binary version of CIFAR-10, unpacked"):
        data.cifar10(tmp_path)
    (tmp_path / "test.bin").write_bytes(record[:-1])
    with pytest.raises(SystemExit, match="no multiple of a record's 3074"):
        data.cifar100(tmp_path)


def test_labels_that_do_not_fit_are_refused(tmp_path):
    images = np.zeros((2, 1, 1, 1))
    with pytest.raises(SystemExit, match="2 images for 1 labels"):
        data.checked(images, np.array([0]), 2, tmp_path)
    with pytest.raises(SystemExit, match="label 2, of 2 classes"):
        data.checked(images, np.array([0, 2]), 2, tmp_path)
