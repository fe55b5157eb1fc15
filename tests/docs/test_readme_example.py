"""What the page on using Volley shows of `volley check` is what it prints."""

import re
import shlex
from pathlib import Path

import pytest

from deploy import cli
from tests.support.documents import blocks, page, section


def test_a_look_at_the_file_of_the_readme_prints_what_the_readme_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    using = section(page("deploy/docs/using.md"), "Using it")
    (typed,) = [block.text for block in blocks(using, "sh") if "<<'END'" in block.text]
    (shown,) = [block.text for block in blocks(using, "text") if "people.csv is" in block.text]
    name, rows = re.findall(r"^cat > (\S+) <<'END'\n(.*?)^END$", typed, re.M | re.S)[0]
    command = shlex.split(typed.partition("\nEND\n")[2])
    (tmp_path / name).write_text(rows)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    code = cli.run(command[1:])

    assert (code, command[0]) == (1, "volley")
    assert capsys.readouterr().out.split() == shown.split()
    assert (tmp_path / "mend.csv").exists()
