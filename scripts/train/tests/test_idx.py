"""Files of bytes, and what is said of damaged ones."""

import gzip

import numpy as np
import pytest

import idx

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def test_what_is_written_is_read_again(tmp_path):
    idx.write(tmp_path / "x", IMAGES)
    assert (tmp_path / "x").read_bytes()[:8] == bytes([0, 0, 8, 3, 0, 0, 0, 2])
    assert (idx.read(tmp_path / "x", 3) == IMAGES).all()
    (tmp_path / "x.gz").write_bytes(gzip.compress((tmp_path / "x").read_bytes()))
    assert (idx.read(tmp_path / "x.gz", 3) == IMAGES).all()


def test_damaged_files_are_refused(tmp_path):
    idx.write(tmp_path / "x", IMAGES)
    whole = (tmp_path / "x").read_bytes()
    for content, expected in [
        (whole[:-1], "holds 23 values, its header says"),
        (whole[:9], "is not an IDX file of bytes of rank 3"),
        (b"\x00\x00\x0d" + whole[3:], "is not an IDX file of bytes of rank 3"),
    ]:
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(SystemExit, match=expected):
            idx.read(tmp_path / "x", 3)


def test_a_missing_file_is_named_with_a_hint(tmp_path):
    with pytest.raises(SystemExit, match=r"cannot read .*nowhere \(No such file.*\); make it"):
        idx.read(tmp_path / "nowhere", 1, "; make it")
    (tmp_path / "x.gz").write_bytes(b"not packed")
    with pytest.raises(SystemExit, match="cannot read"):
        idx.read(tmp_path / "x.gz", 1)
