# SPDX-License-Identifier: Apache-2.0
from petlesion.digest import file_sha256


def test_a_files_digest_is_the_standards(tmp_path):
    """The message "abc" of FIPS 180-2, appendix B.1."""
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
