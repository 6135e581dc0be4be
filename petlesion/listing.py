# SPDX-License-Identifier: Apache-2.0
"""`inputs.json`: the platform's list of a case's sockets, and where each of them lies.

A list of `{"socket": {"slug", "relative_path", "kind", ...}, "file", "image", "value"}`; older phases say
"interface" for "socket".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from petlesion.case import CaseError
from petlesion.document import DocumentError, read_document
from petlesion.images import reason, shown

LISTING = "inputs.json"
MAX_BYTES = 10_000_000  # a socket's value may stand in it, and the longest is a file of clicks


@dataclass(frozen=True, slots=True)
class Socket:
    """An input of the platform.

    Attributes:
        title: What it is to the user.
        slugs: Names it goes by on the platform.
        path: Its place in the input folder where there is no `inputs.json`.
    """

    title: str
    slugs: tuple[str, ...]
    path: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The sockets that one `inputs.json` lists.

    Attributes:
        path: The file.
        places: (slug, relative path) of each socket.
    """

    path: Path
    places: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, path: Path) -> Listing:
        """Read an `inputs.json`.

        Raises:
            CaseError: When it is no list of sockets with slugs and relative paths.
        """
        try:
            entries = read_document(path, MAX_BYTES)
        except DocumentError as error:
            raise _refusal(path, f"cannot be read: it {error}") from None
        except OSError as error:
            raise _refusal(path, f"cannot be read: {reason(error)}") from None
        if not isinstance(entries, list):
            raise _refusal(path, "holds no list")
        return cls(path, tuple(_place(entry, path) for entry in entries))

    def find(self, socket: Socket) -> Path | None:
        """The place of a socket, known by its slug or by its fixed path; None where it is not listed.

        Raises:
            CaseError: When several sockets fit, or the place lies outside the folder of the listing.
        """
        fitting = {p for slug, p in self.places if slug in socket.slugs or p.strip("/") == socket.path}
        if not fitting:
            return None
        if len(fitting) > 1:
            raise _refusal(self.path, f"lists several sockets of the {socket.title}: {self.slugs()}")
        relative = PurePosixPath(fitting.pop())
        if relative.is_absolute() or ".." in relative.parts or "\0" in str(relative):
            raise _refusal(self.path, f"places the {socket.title} outside its folder, at {str(relative)!a}")
        return self.path.parent / relative

    def find_needed(self, socket: Socket) -> Path:
        """The place of a socket that a case cannot do without.

        Raises:
            CaseError: As `find`, and when the socket is not listed.
        """
        if (place := self.find(socket)) is None:
            raise _refusal(self.path, f"lists no socket of the {socket.title}; it has {self.slugs()}")
        return place

    def slugs(self) -> str:
        """The slugs it lists, for a sentence."""
        return ", ".join(sorted(ascii(slug) for slug, _ in self.places)) or "none"


def _place(entry: object, path: Path) -> tuple[str, str]:
    """(slug, relative path) of one entry."""
    socket = (entry.get("socket") or entry.get("interface")) if isinstance(entry, dict) else None
    if not isinstance(socket, dict):
        raise _refusal(path, 'has an entry without "socket" or "interface"')
    slug, relative = socket.get("slug"), socket.get("relative_path")
    if not (isinstance(slug, str) and isinstance(relative, str)):
        raise _refusal(path, 'has a socket without "slug" or "relative_path"')
    return slug, relative


def _refusal(path: Path, fault: str) -> CaseError:
    rule = f"{LISTING} must list the sockets of CT and PET with their relative paths"
    return CaseError(f"{rule}; {shown(path)} {fault}; mend it, or remove it to have the fixed paths taken")
