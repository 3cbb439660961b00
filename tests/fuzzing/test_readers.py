"""Whatever a file holds, it is read or refused in a sentence: no traceback, no gigabytes, nothing written elsewhere.

A few hundred inputs of each kind; by hand `CACBENCH_FUZZ=10000 pytest tests/fuzzing`.
"""

import os
import resource
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzzing.mutations import edited, edits
from tests.fuzzing.readers import readers

EXAMPLES = int(os.environ.get("CACBENCH_FUZZ", "100"))
MEMORY = 1 << 30
"""Bytes that reading may take beside what the process has already."""
READERS = readers()
_watched: list[tuple[Path, list[str]]] = []


def _watch(event, arguments):
    """Note every file that is opened for writing, removed or renamed outside the folder that is watched."""
    if not _watched:
        return
    folder, met = _watched[-1]
    if event == "open":
        path, mode, flags = arguments
        writes = (mode and set(mode) & set("wax+")) or (mode is None and flags & (os.O_WRONLY | os.O_RDWR))
        if not writes or not isinstance(path, str | bytes):
            return
    elif event in ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "shutil.rmtree"):
        path = arguments[0]
    elif event in ("os.system", "subprocess.Popen", "os.exec", "socket.connect"):
        met.append(event)
        return
    else:
        return
    place = os.path.abspath(os.fsdecode(path))
    if not place.startswith(f"{folder}{os.sep}") and place != "/dev/null" and "__pycache__" not in place:
        met.append(f"{event} {place}")


sys.addaudithook(_watch)


@contextmanager
def bounded(folder, memory=MEMORY):
    """Bound the memory and note what is done outside the folder; what was is in the list that is yielded."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    met = []
    resource.setrlimit(resource.RLIMIT_AS, (used + memory, before[1]))
    _watched.append((folder, met))
    try:
        yield met
    finally:
        _watched.pop()
        resource.setrlimit(resource.RLIMIT_AS, before)


def refusal(reader, file):
    """Read a file; return the sentence by which it is refused, None if it is not."""
    try:
        reader.read(file)
    except reader.refused_by as error:
        return str(error)
    return None


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_whole_file_is_read(reader, tmp_path):
    file = tmp_path / reader.name
    file.write_bytes(reader.pack(reader.content))
    if reader.name == "header.mha":
        with pytest.raises(reader.refused_by, match="constant"):
            reader.read(file)
    else:
        reader.read(file)


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_damaged_file_is_read_or_refused_in_a_sentence(reader):
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=EXAMPLES <= 100,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(edits)
    def damaged(changes):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place).resolve()
            file = folder / reader.name
            file.write_bytes(reader.pack(edited(reader.content, changes)))
            with bounded(folder) as outside:
                said = refusal(reader, file)
            assert said is None or said.strip()
            assert not outside

    damaged()
