# SPDX-License-Identifier: Apache-2.0
"""The learning curve of a fold: loss of each epoch, and the validation Dice where there was one; a CSV file."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from petlesion.drafts import staged

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("epoch", "loss", "validation_dice")


@dataclass(frozen=True, slots=True)
class Row:
    """An epoch.

    Attributes:
        epoch: Its number from 1.
        loss: Mean over its steps.
        dice: Mean Dice over the left-out cases; None where the epoch was not validated.
    """

    epoch: int
    loss: float
    dice: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve and its file.

    Attributes:
        path: The CSV file.
        rows: Epochs in order.
    """

    path: Path
    rows: tuple[Row, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Curve:
        """What an earlier run has written; no rows where there is no file."""
        if not path.is_file():
            return cls(path)
        with path.open(encoding="utf-8", newline="") as file:
            held = [
                Row(int(row["epoch"]), float(row["loss"]), float(d) if (d := row["validation_dice"]) else None)
                for row in csv.DictReader(file)
            ]
        return cls(path, tuple(held))

    def best(self, before: int) -> float:
        """The best Dice of the epochs before one; -1 where none was validated."""
        return max((row.dice for row in self.rows if row.dice is not None and row.epoch < before), default=-1.0)

    def with_row(self, row: Row) -> Curve:
        """The curve up to and with an epoch, written; epochs that a killed run had done after it are done anew."""
        rows = (*(one for one in self.rows if one.epoch < row.epoch), row)
        with staged(self.path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows((one.epoch, repr(one.loss), "" if one.dice is None else repr(one.dice)) for one in rows)
        return replace(self, rows=rows)
