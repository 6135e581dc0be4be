# SPDX-License-Identifier: Apache-2.0
"""nnU-Net's data set and loader, with the organ map as a second mask and clicks, if any, drawn for every sample."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import blosc2
import numpy as np
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

from petlesion.training.organs import UNKNOWN
from petlesion.training.preprocessed import CLICKS, extras_folder
from petlesion.training.redraw import IMAGES, draw_clicks

if TYPE_CHECKING:
    from numpy.typing import NDArray

Properties = dict[str, Any]


class Channels:
    """CT and PET of a case, and its second PET in steps of SUV in place of all maps of clicks; cut before it is read.

    Args:
        data: nnU-Net's channels, (C, Z, Y, X).
        steps: The second PET, (Z, Y, X).
    """

    def __init__(self, data: Any, steps: Any) -> None:  # noqa: ANN401 - arrays of blosc2
        self._data, self._steps = data, steps
        self.shape: tuple[int, ...] = (IMAGES + 1, *data.shape[1:])

    def __getitem__(self, box: tuple[slice, ...]) -> NDArray[np.float32]:
        """The channels in a box (:, z, y, x), float32."""
        images = self._data[(slice(0, IMAGES), *box[1:])]
        return np.concatenate([images, self._steps[box[1:]][None].astype(np.float32)])


class StudyDataset(nnUNetDatasetBlosc2):  # type: ignore[misc]  # nnU-Net has no types
    """Prepared cases. What nnU-Net takes for the mask of an earlier stage is the organ map.

    Attributes:
        with_organs: Whether samples have an organ map; `UNKNOWN` everywhere where a case has none.
        last: The properties of the case that was read last; its loader reads the clicks from them.
    """

    def __init__(self, folder: str, identifiers: list[str], *, with_organs: bool) -> None:
        super().__init__(folder, identifiers)
        self.with_organs = with_organs
        self.last: Properties = {}

    def load_case(self, identifier: str) -> tuple[Any, Any, Any, Properties]:
        """Channels, mask, organ map (or None) and properties of a case."""
        data, seg, _, self.last = super().load_case(identifier)
        organs = None
        if self.with_organs:
            organs = self._extra(f"{identifier}_organs")
            organs = np.broadcast_to(np.uint8(UNKNOWN), data.shape[1:]) if organs is None else organs
        steps = self._extra(f"{identifier}_suv")
        return data if steps is None else Channels(data, steps), seg, organs, self.last

    def _extra(self, name: str) -> Any:  # noqa: ANN401 - an array of blosc2
        path = extras_folder(Path(self.source_folder)) / f"{name}.b2nd"
        if not path.exists():
            return None
        return blosc2.open(urlpath=str(path), mode="r", dparams={"nthreads": 1}, **self.mmap_kwargs)


class StudyLoader(nnUNetDataLoader):  # type: ignore[misc]  # nnU-Net has no types
    """Samples, with clicks where cases have any. The maps on disk, of one physician's clicks, are left aside.

    The generator of clicks and misalignment is made in the process that uses it, so that no two workers share one.
    """

    def __init__(self, *arguments: Any, chain: Any, seed: tuple[int, ...], **more: Any) -> None:  # noqa: ANN401
        """Args: those of nnU-Net's loader; the chain of transforms; the seed of this loader's random numbers."""
        super().__init__(*arguments, transforms=self._transform, **more)
        self._chain, self._seed = chain, seed
        self._corner: list[int] = []
        self._rng: np.random.Generator | None = None

    def get_bbox(self, *arguments: Any, **more: Any) -> tuple[list[int], list[int]]:  # noqa: ANN401 - nnU-Net's own
        """nnU-Net's choice of a patch; its corner is kept for the clicks."""
        low, high = super().get_bbox(*arguments, **more)
        self._corner = [int(edge) for edge in low]
        return low, high

    def _transform(self, **sample: Any) -> dict[str, Any]:  # noqa: ANN401 - nnU-Net's samples
        """What nnU-Net calls for the patch that it has cut last."""
        if self._rng is None:
            self._rng = np.random.default_rng((*self._seed, self.thread_id))
        more: dict[str, Any] = {"rng": self._rng}
        if (held := self._data.last.get(CLICKS)) is not None:
            more["clicks"] = draw_clicks(held, self._corner, self._rng)
        found: dict[str, Any] = self._chain(**sample | more)
        return found
