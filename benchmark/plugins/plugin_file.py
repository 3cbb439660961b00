"""A plug-in in a file of one's own, named as ``use: my_file.py:MyClass``: for a first try, before it is a package."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

from benchmark.plugins.declaration import did_you_mean


def is_in_file(name: str) -> bool:
    """Say whether ``use: name`` means a class in a file."""
    return name.rpartition(":")[0].endswith(".py")


def class_in_file(name: str, folder: Path) -> Any:
    """Import the file, relative to `folder`, and return the class that ``FILE.py:CLASS`` means.

    The file becomes the module of its name, on the path of this process and of those that it starts, where what is
    made of the class is found again. Raises `ValueError` for no such file or class, for a file that cannot be imported,
    and where another module has its name.
    """
    file, _, attribute = name.rpartition(":")
    path = (folder / file).resolve()
    if not path.is_file():
        raise ValueError(
            f"{file}: there is no such file in {folder.resolve()}; correct the path before the colon"
        )
    module = _imported(path, file)
    found = getattr(module, attribute, None)
    if found is None:
        classes = [each for each, _ in inspect.getmembers(module, inspect.isclass)]
        raise ValueError(f"{file}: has no {attribute!r}; {did_you_mean(attribute, classes)}")
    return found


def _imported(path: Path, file: str) -> Any:
    if not path.stem.isidentifier():
        raise ValueError(f"{file}: is no name of a module; rename it to letters, digits and _")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.find_spec(path.stem)
    if spec is None or spec.origin is None or Path(spec.origin).resolve() != path:
        raise ValueError(f"{file}: another module is called {path.stem}; rename the file")
    try:
        return importlib.import_module(path.stem)
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"{file}: cannot be imported ({type(error).__name__}: {error}); correct the file"
        ) from error
