"""The blocks and links of the documents, for the tests that hold them to what they say."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of a document that are in a language."""
    text = (ROOT / document).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def named_files(document: str) -> dict[str, str]:
    """The Python blocks whose first line names a file, `# my_cost.py`: name -> text."""
    named = ((re.match(r"# (\w+\.py)\n", block), block) for block in blocks(document, "python"))
    return {found[1]: block for found, block in named if found}
