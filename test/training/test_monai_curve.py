# SPDX-License-Identifier: Apache-2.0
"""Learning curves: read as written, and cut where a run goes on."""

from petlesion.training.monai_curve import Curve, Row


def test_no_file_is_no_rows(tmp_path):
    curve = Curve.read(tmp_path / "a.csv")
    assert curve.rows == ()
    assert curve.best(before=9) == -1.0


def test_rows_are_read_as_written(tmp_path):
    curve = Curve(tmp_path / "a.csv").with_row(Row(1, 0.1)).with_row(Row(2, 1 / 3, 2 / 3))
    assert Curve.read(tmp_path / "a.csv") == curve
    assert (tmp_path / "a.csv").read_text().splitlines()[:2] == ["epoch,loss,validation_dice", "1,0.1,"]


def test_epochs_after_the_savepoint_are_done_anew(tmp_path):
    curve = Curve(tmp_path / "a.csv", (Row(1, 1.0, 0.5), Row(2, 1.0, 0.7), Row(3, 1.0, 0.9)))
    assert curve.best(before=3) == 0.7
    assert [row.dice for row in curve.with_row(Row(2, 1.0, 0.6)).rows] == [0.5, 0.6]
