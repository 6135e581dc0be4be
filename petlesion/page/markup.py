# SPDX-License-Identifier: Apache-2.0
"""HTML as a tree, so that no text of a case can ever be read as markup."""

from __future__ import annotations

from xml.etree.ElementTree import Element, tostring

Child = Element | str


def tag(name: str, /, *children: Child, **attributes: str) -> Element:
    """An element with its children, texts and elements in any order.

    Attributes are written as in HTML, with `_` for `-` and a trailing `_` where Python owns the word: `class_`.
    """
    element = Element(name, {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()})
    for child in children:
        if isinstance(child, Element):
            element.append(child)
        elif len(element):
            element[-1].tail = (element[-1].tail or "") + visible(child)
        else:
            element.text = (element.text or "") + visible(child)
    return element


def visible(text: str) -> str:
    """Text without the characters that no page may hold: controls and halves of surrogate pairs are replaced."""
    return "".join(c if c in "\n\t" or (c.isprintable() and not "\ud800" <= c <= "\udfff") else "\ufffd" for c in text)


def page(root: Element) -> str:
    """The whole document, ready to be written as UTF-8."""
    return "<!DOCTYPE html>\n" + tostring(root, encoding="unicode", method="html") + "\n"
