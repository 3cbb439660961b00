"""Inputs that coverage of the readers' code leads to: `python -m tests.fuzzing.guided slice.dcm 10000`, by hand.

Needs atheris (`pip install atheris`), which is no dependency: it has wheels for some versions of Python alone.
"""

import sys
import tempfile
from pathlib import Path

import atheris

# What readers import when they are called would come too late to be watched.
with atheris.instrument_imports(include=["benchmark", "openpyxl", "plistlib", "pydicom", "yaml"]):
    import benchmark.cohorts.coca_annotation
    import benchmark.cohorts.manifest
    import benchmark.images.dicom_series
    import benchmark.images.reading
    import benchmark.images.slicer.segments
    import benchmark.networks.checkpoint
    import benchmark.study.reading
    import benchmark.table_file  # noqa: F401
    from tests.fuzzing.readers import readers
    from tests.fuzzing.test_readers import bounded, refusal


def main():
    name, runs = sys.argv[1:3]
    (reader,) = (reader for reader in readers() if reader.name == name)
    with tempfile.TemporaryDirectory() as place:
        folder, corpus = Path(place).resolve() / "read", Path(place) / "corpus"
        folder.mkdir()
        corpus.mkdir()
        (corpus / name).write_bytes(reader.content)
        refused = 0

        def read(content):
            nonlocal refused
            file = folder / name
            file.write_bytes(reader.pack(content))
            with bounded(folder) as outside:
                said = refusal(reader, file)
            assert said is None or said.strip()
            assert not outside
            refused += said is not None

        # Options of libFuzzer, which ends the process when it is done.
        atheris.Setup([sys.argv[0], f"-runs={runs}", "-seed=1", "-max_len=200000", str(corpus)], read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
