# SPDX-License-Identifier: Apache-2.0
"""Networks that are loaded while the images are prepared: reading, checking and widening need no interpreter."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from torch import nn

    from petlesion.inference.manifest import ModelEntry


class LoadingAhead:
    """Loads networks on a thread of its own, in the order in which they are asked for.

    Use it as a context: on leaving, what nobody has taken is no longer loaded.
    """

    def __init__(self, load: Callable[[ModelEntry, int], nn.Module]) -> None:
        """Take the function that loads a fold of a model."""
        self._load = load
        self._loader = ThreadPoolExecutor(1)
        self._coming: dict[tuple[ModelEntry, int], Future[nn.Module]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loader.shutdown(wait=False, cancel_futures=True)

    def ask(self, entry: ModelEntry, folds: Iterable[int]) -> None:
        """Begin to load these folds."""
        for fold in folds:
            self._coming[entry, fold] = self._loader.submit(self._load, entry, fold)

    def take(self, entry: ModelEntry, fold: int) -> nn.Module:
        """The network of a fold, once it is there; what loading it raised is raised here. Nothing is kept."""
        coming = self._coming.pop((entry, fold), None)
        return self._load(entry, fold) if coming is None else coming.result()

    def load_by(self, load: Callable[[ModelEntry, int], nn.Module]) -> None:
        """Load by another function from now on; what was asked for is let go, and loaded when it is taken."""
        self._load = load
        for coming in self._coming.values():
            coming.cancel()
        self._coming.clear()
