"""What fuzzing found: each gave a traceback, or ended the process, before."""

import io
import subprocess
import sys

import pydicom
import pytest

from benchmark.errors import CaseError
from tests.fuzzing.readers import readers
from tests.fuzzing.test_readers import bounded

READERS = {reader.name: reader for reader in readers()}


def element(**tags):
    def change(content):
        header = pydicom.dcmread(io.BytesIO(content))
        for tag, value in tags.items():
            if value is None:
                delattr(header, tag)
            else:
                setattr(header, tag, value)
        written = io.BytesIO()
        header.save_as(written)
        return written.getvalue()

    return change


FOUND = [
    ("study.yaml", lambda text: text.replace(b"seed: 3", b"seed: " + b"[" * 2000), "nested deeper than any study"),
    ("study.yaml", lambda text: text.replace(b"seed: 3", b"seed: !!int x"), "a value is not what its tag says"),
    ("study.yaml", lambda text: text.replace(b"seed: 3", b"seed: !!int ''"), "a value is not what its tag says"),
    ("study.yaml", lambda text: text.replace(b"seed: 3", b"seed: !!binary x"), "not valid YAML"),
    ("study.yaml", lambda text: text.replace(b"seed: 3", b"seed: " + b"9" * 5000), "a value is not what its tag says"),
    ("sheet.xlsx", lambda xml: xml.replace(b'r="A1"', b'r="1"'), "not a readable xlsx file"),
    ("sheet.xlsx", lambda xml: xml[:-9], "not a readable xlsx file"),
    ("workbook.xlsx", lambda xml: xml.replace(b"<sheets>", b"<sheetz>"), "not a readable xlsx file"),
    ("slice.dcm", element(Columns=None), "its Rows or Columns is no number of pixels"),
    ("slice.dcm", element(Rows=[42, 42]), "its Rows or Columns is no number of pixels"),
    ("slice.dcm", element(Rows=0), "its Rows or Columns is no number of pixels"),
    ("second.nii", lambda header: header[:500] + b"\7" + header[501:], "in another unit than mm"),
    ("scan.mha", lambda header: header.replace(b"= LOCAL\n", b"= " + b"x" * 5000 + b"\n"), "must name its data files"),
    ("pickle.pt", lambda pickled: b"0" + pickled, "damaged or of another format"),
    ("weights.pt", lambda archive: b"0" + archive, "damaged or of another format"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "change", "sentence"), FOUND)
def test_what_was_a_traceback_is_a_sentence(tmp_path, kind, change, sentence):
    reader = READERS[kind]
    content = change(reader.content)
    assert content != reader.content
    (tmp_path / kind).write_bytes(reader.pack(content))
    with pytest.raises(reader.refused_by, match=sentence):
        reader.read(tmp_path / kind)


def test_a_path_longer_than_any_is_its_cases_exclusion(tmp_path):
    reader = READERS["manifest.csv"]
    (tmp_path / "manifest.csv").write_bytes(
        reader.content + b"c," + b"x" * 5000 + b",1,3,,r,g,\nd,a\0b,1,3,,s,g,\n"
    )
    reader.read(tmp_path / "manifest.csv")


@pytest.mark.parametrize("kind", ["scan.nii", "scan.nii.gz", "second.nii"])
def test_a_header_that_promises_more_than_its_file_can_hold_takes_no_memory(tmp_path, kind):
    from benchmark.images.reading import read_image

    content = bytearray(READERS[kind].content)
    second = content[:4] == (540).to_bytes(4, "little")
    # 1000 x 1000 x 900 voxels of two bytes, which the limit on all that is read lets pass
    for axis, count in enumerate((1000, 1000, 900), start=1):
        at, size = (16 + 8 * axis, 8) if second else (40 + 2 * axis, 2)
        content[at : at + size] = count.to_bytes(size, "little")
    (tmp_path / kind).write_bytes(READERS[kind].pack(bytes(content)))
    with bounded(tmp_path, memory=1 << 29), pytest.raises(CaseError, match="truncated"):
        read_image(tmp_path / kind)


@pytest.mark.parametrize("field", [b"endian: ", b"space origin", b"encoding: ", b"kinds: "])
def test_a_header_that_overran_a_buffer_of_the_nrrd_library_is_refused(tmp_path, field):
    (tmp_path / "a.nrrd").write_bytes(READERS["scan.nrrd"].content.replace(field, field + b"9" * 5000))
    script = "import sys; from pathlib import Path; from benchmark.images.reading import read_image\n"
    script += "read_image(Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.nrrd")], capture_output=True, text=True
    )
    assert done.returncode == 1, "no signal ended it"
    assert "a line of its header is longer than any" in done.stderr
