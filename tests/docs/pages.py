"""The pages people read, and the code that stands in them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL_CARD = ROOT / "segmenters" / "denseraunet" / "weights" / "MODEL_CARD.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")), MODEL_CARD]
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
_INLINE = re.compile(r"`(cacbench [^`\n]+)`")


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page.name}:{self.line}"


def blocks(language):
    """Return the fenced blocks of a language on all pages."""
    return [
        block for page in PAGES for block in _blocks(page, page.read_text()) if block.language == language
    ]


def _blocks(page, text):
    for found in _FENCED.finditer(text):
        yield Block(page, text[: found.start()].count("\n") + 1, *found.groups())


def commands():
    """Return every line of a block, indented ones too, and every code in a sentence that begins a command of ours."""
    for page in PAGES:
        text = page.read_text()
        lines = [(0, block.text) for block in _blocks(page, text) if block.language in ("sh", "")]
        lines += [(found.start(), found[0]) for found in _INDENTED.finditer(_FENCED.sub("", text))]
        lines += [(found.start(), found[1]) for found in _INLINE.finditer(text)]
        for _, part in lines:
            for line in part.splitlines():
                for command in re.split(r"&&", line.partition("  #")[0]):
                    if command.strip().startswith("cacbench "):
                        yield page.name, command.strip()
