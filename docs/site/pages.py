"""Where the site's pages are: each at its place in the repository, so that links between them are the same there."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from study_reference import study_reference

ROOT = Path(__file__).resolve().parents[2]
BESIDE = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "CITATION.cff",
    "LICENSE",
    "runs.yaml",
    "studies/*.yaml",
    "results/gallery.png",
    "segmenters/denseraunet/weights/MODEL_CARD.md",
)
"""What pages link to outside docs/."""
REFERENCE = "docs/study_file.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put the pages of docs/ below docs/, add those beside it, and the one that is made from the models."""
    for file in list(files):
        if file.src_dir == config.docs_dir:
            files.remove(file)
            if not file.src_uri.startswith("site/"):
                place = f"docs/{file.src_uri}"
                files.append(File.generated(config, place, abs_src_path=str(ROOT / place)))
    for pattern in BESIDE:
        for path in sorted(ROOT.glob(pattern)):
            place = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, place, abs_src_path=str(path)))
    files.append(File.generated(config, REFERENCE, content=study_reference()))
    return files
