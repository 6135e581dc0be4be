# SPDX-License-Identifier: Apache-2.0
"""Compiled networks: what happens where the compiler works, fails, or memory ends. No compiler is run here."""

import logging

import pytest
import torch
from torch import nn

from petlesion.inference.compiled import Compiled
from petlesion.limits import is_out_of_memory

META = torch.ones(1, 1, 2, 2, 2, device="meta")  # any device but the CPU


class Named(nn.Module):
    """Says how it was called."""

    def __init__(self, name="plain", error=None):
        super().__init__()
        self.name, self.error, self.calls = name, error, 0

    def forward(self, _tile):
        self.calls += 1
        if self.error:
            raise self.error
        return self.name


def with_compiler(monkeypatch, compiled):
    asked = []
    monkeypatch.setattr(torch, "compile", lambda network, **options: asked.append((network, options)) or compiled)
    return asked


def test_the_compiled_network_answers(monkeypatch):
    network, fast = Named(), Named("fast")
    asked = with_compiler(monkeypatch, fast)
    both = Compiled(network)
    assert [both(META), both(META)] == ["fast", "fast"]
    assert asked == [(network, {"dynamic": False})]
    assert network.calls == 0


@pytest.mark.parametrize("error", [RuntimeError("no C++ compiler"), ImportError("triton"), OSError("read-only")])
def test_a_compiler_that_fails_costs_one_warning(monkeypatch, caplog, error):
    network, fast = Named(), Named(error=error)
    asked = with_compiler(monkeypatch, fast)
    both = Compiled(network)
    with caplog.at_level(logging.WARNING):
        assert [both(META), both(META)] == ["plain", "plain"]
    assert [record.message for record in caplog.records] == [f"warning: the networks run uncompiled: {error}"]
    assert (len(asked), fast.calls, network.calls) == (1, 1, 2)


def test_a_lack_of_memory_goes_to_the_ladder(monkeypatch):
    with_compiler(monkeypatch, Named(error=torch.OutOfMemoryError("2 GB")))
    network = Named()
    with pytest.raises(torch.OutOfMemoryError) as raised:
        Compiled(network)(META)
    assert is_out_of_memory(raised.value)
    assert network.calls == 0


def test_an_error_of_the_network_itself_comes_again(monkeypatch):
    error = RuntimeError("a real fault")
    with_compiler(monkeypatch, Named(error=error))
    with pytest.raises(RuntimeError, match="a real fault"):
        Compiled(Named(error=error))(META)


def test_on_the_cpu_nothing_is_compiled(monkeypatch):
    asked = with_compiler(monkeypatch, Named("fast"))
    assert Compiled(Named())(torch.ones(1)) == "plain"
    assert asked == []
