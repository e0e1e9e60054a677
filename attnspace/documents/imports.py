"""Functions of the user's own, named in a study. Importing one runs the code of its file."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from attnspace.documents.sections import Section
from attnspace.errors import AttnspaceError

__all__ = ["Exited", "Imported", "users_code"]


class Exited(RuntimeError):
    """Code of the user's asked to end the process."""


@contextmanager
def users_code() -> Iterator[None]:
    """Run code of the user's in here: it changes the working directory for itself alone, and cannot end the process.

    Raises:
        Exited: it called `sys.exit`, which would end a command in the middle, without a word.
    """
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was removed; then there is nothing to go back to
        here = None
    try:
        yield
    except SystemExit as cause:
        raise Exited(f"it ends the process, by sys.exit({'' if cause.code is None else repr(cause.code)})") from cause
    finally:
        if here is not None:
            with suppress(OSError):  # it was removed
                os.chdir(here)


class Imported(Section):
    """A function of the user's: `package.module:function`, or `file.py:function` seen from the study's folder.

    Naming one in a study runs the code of that file, with all of the user's rights.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    target: Annotated[
        str,
        Field(
            alias="import",
            pattern=r"^[^:]+:[A-Za-z_][A-Za-z0-9_.]*$",
            max_length=1_000,
            description="package.module:function, or file.py:function. This runs that code.",
        ),
    ]
    args: Annotated[dict[str, Any], Field(max_length=256, description="Further keyword arguments.")] = Field(
        default_factory=dict
    )

    def located(self, folder: Path) -> Self:
        """The same function, its file's path made absolute; relative paths start from `folder`."""
        module, _, name = self.target.rpartition(":")
        if not module.endswith(".py"):
            return self
        return self.model_copy(update={"target": f"{(folder / module).resolve()}:{name}"})

    def code(self) -> str | None:
        """The fingerprint of the function."""
        return self.fingerprint()

    def fingerprint(self) -> str:
        """The function's name and a digest of its file's content: the same wherever the file is."""
        module, _, name = self.target.rpartition(":")
        path: str | None = module
        if not module.endswith(".py"):
            spec = importlib.util.find_spec(module)
            path = spec.origin if spec else None
        content = Path(path).read_bytes() if path and Path(path).is_file() else module.encode()
        return f"{name}/{hashlib.sha256(content).hexdigest()[:16]}"

    def function(self, error: type[AttnspaceError]) -> Callable[..., Any]:
        """Import the function and return it.

        Raises:
            error: there is no such module or function, or its code raises.
        """
        module_name, _, name = self.target.rpartition(":")
        short = f"{Path(module_name).name}:{name}"
        try:
            with users_code():
                found: Any = _from_file(Path(module_name)) if module_name.endswith(".py") else _from_path(module_name)
        except FileNotFoundError:
            raise error(
                f"there is no file {module_name}",
                at=("import",),
                remedy="check the path, which is seen from the study's folder",
            ) from None
        except ModuleNotFoundError as cause:
            raise error(
                f"cannot be imported: {cause}",
                at=("import",),
                got=short,
                allowed="package.module:function of an installed package or of the folder you are in, or "
                "file.py:function, seen from the study's folder",
            ) from None
        except Exception as cause:  # whatever the user's code raises
            raise error(f"raises {type(cause).__name__} when imported: {cause}", at=("import",), got=short) from cause
        for part in name.split("."):
            if not hasattr(found, part):
                public = ", ".join(sorted(word for word, thing in vars(found).items() if _is_own(thing, found)))
                raise error(f"has no {part!r}", at=("import",), got=short, allowed=public or "nothing")
            found = getattr(found, part)
        if not callable(found):
            raise error("is no function", at=("import",), got=short)
        function: Callable[..., Any] = found
        return function


def _is_own(thing: Any, module: Any) -> bool:
    """Whether a value in a module is a function or class that was defined there."""
    return callable(thing) and getattr(thing, "__module__", None) == getattr(module, "__name__", None)


def _from_path(name: str) -> Any:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as `python -m` has it
    return importlib.import_module(name)


def _from_file(path: Path) -> Any:
    """The module made from a file, whose code runs once in a process, and again when it was changed."""
    content = path.read_bytes() if path.is_file() else b""
    name = f"attnspace_imported_{path.stem}_{hashlib.sha256(str(path).encode() + content).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
