from __future__ import annotations

import base64
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobchaos.core.fresh import Forms, Found, Fresh
from jobchaos.core.snapshot import Cell

CHUNK = bytes(range(200, 216))
UUID4 = uuid.UUID(bytes=CHUNK, version=4)
WRITTEN: list[tuple[str, Cell]] = [
    ("raw", CHUNK),
    ("hex", CHUNK.hex()),
    ("hex", CHUNK.hex().upper()),
    ("hex", CHUNK.hex().encode()),
    ("base64", base64.b64encode(CHUNK).decode().rstrip("=")),
    ("base64", base64.urlsafe_b64encode(CHUNK).decode().rstrip("=")),
    ("uuid", str(uuid.UUID(bytes=CHUNK))),
    ("uuid", str(UUID4)),
    ("uuid", str(UUID4).upper()),
    ("hex", UUID4.hex),
    ("raw", UUID4.bytes),
    ("number", UUID4.int),
    ("number", str(UUID4.int)),
    ("number", int.from_bytes(CHUNK, "big")),
    ("number", int.from_bytes(CHUNK, "little")),
]


@pytest.mark.parametrize(("form", "cell"), WRITTEN)
def test_every_usual_form_is_recognised(form: str, cell: Cell) -> None:
    assert Forms(Fresh((b"something else", CHUNK))).find(cell) == Found(("", ""), (form,), (CHUNK,))


@pytest.mark.parametrize(("form", "cell"), [(form, cell) for form, cell in WRITTEN if not isinstance(cell, int)])
def test_every_usual_form_is_recognised_inside_a_longer_text(form: str, cell: Cell) -> None:
    text = f"<{cell}>" if isinstance(cell, str) else b"<" + cell + b">" if isinstance(cell, bytes) else cell
    assert Forms(Fresh((CHUNK,))).find(text) == Found(("<", ">"), (form,), (CHUNK,))


def test_padded_base64_is_recognised_with_its_padding_as_text() -> None:
    found = Forms(Fresh((CHUNK,))).find(base64.b64encode(CHUNK).decode())
    assert found == Found(("", "=="), ("base64",), (CHUNK,))


def test_several_values_in_one_text_are_found_in_order_the_longest_first() -> None:
    other = CHUNK[:4] + b"\x01\x02\x03\x04"
    found = Forms(Fresh((CHUNK[:4], CHUNK, other))).find(f"a {other.hex()} b {CHUNK.hex()}{CHUNK[:4].hex()}")
    assert found == Found(("a ", " b ", "", ""), ("hex", "hex", "hex"), (other, CHUNK, CHUNK[:4]))


@pytest.mark.parametrize("chunk", [b"]^-\\", b"\n\r\x00.", b"[a-z]+", b"^^^^$"])
def test_any_bytes_are_found_as_they_are(chunk: bytes) -> None:
    assert Forms(Fresh((chunk, CHUNK))).find(b"-" + chunk + b"]") == Found(("-", "]"), ("raw",), (chunk,))


@pytest.mark.parametrize("cell", [None, 1.5, True, "", "abc", b"", 7, CHUNK.hex()[:20]])
def test_other_cells_hold_none(cell: Cell) -> None:
    assert Forms(Fresh((CHUNK,))).find(cell) is None


def test_short_chunks_and_short_numbers_are_taken_for_coincidences() -> None:
    assert Forms(Fresh((b"\xaa\xbb\xcc",))).find("aabbcc") is None
    assert Forms(Fresh((b"\x00\x00\x00\x2a",))).find(42) is None
    assert Forms(Fresh((b"\x00\x00\x00\x2a",))).find("0000002a") is not None


def test_the_shape_keeps_type_and_text_but_not_the_value() -> None:
    forms = Forms(Fresh((CHUNK, CHUNK[::-1])))
    assert forms.shape(f"to {CHUNK.hex()}") == forms.shape(f"to {CHUNK[::-1].hex()}")
    assert forms.shape(f"to {CHUNK.hex()}") != forms.shape(f"by {CHUNK.hex()}")
    assert forms.shape(CHUNK.hex()) != forms.shape(CHUNK.hex().encode())
    assert len({forms.shape(cell) for cell in (1, 1.0, True, "1", b"1", None)}) == 6


def test_very_long_chunks_are_no_problem() -> None:
    chunk = CHUNK * 1000
    assert Forms(Fresh((chunk,))).find(chunk) == Found(("", ""), ("raw",), (chunk,))


@given(st.binary(min_size=4, max_size=40), st.text(), st.text())
def test_what_is_found_puts_the_text_together_again(chunk: bytes, before: str, after: str) -> None:
    found = Forms(Fresh((chunk,))).find(before + chunk.hex() + after)
    assert found is not None
    assert chunk.hex() in chunk.hex().join(found.texts)
    assert set(found.chunks) == {chunk}
