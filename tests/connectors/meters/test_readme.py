from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
from structlog.testing import capture_logs

import connectors.meters.polled
from connectors.meters.http import DEVICES
from connectors.meters.reading import NoReading
from connectors.meters.registers import PROFILES
from loadmgr.ports import BadOption

README = Path(connectors.meters.polled.__file__).parents[1] / "README.md"


@pytest.fixture(scope="module")
def textfile() -> ModuleType:
    """The connector that README.md writes down, made a module."""
    (source,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    module = ModuleType("textfile")
    exec(compile(source, str(README), "exec", dont_inherit=True), module.__dict__)
    return module


async def test_the_worked_example_is_a_meter(textfile, tmp_path, context, listen, report):
    file = tmp_path / "meter.txt"
    file.write_text("10.5 11.2 9.8\n")
    source = textfile.connect({"type": "textfile", "file": str(file), "poll": "200 ms"}, context)
    with capture_logs() as logs:
        async with listen(source) as ear:
            assert (await ear.next()).current_a == (10.5, 11.2, 9.8)
            file.unlink()
            await report(logs, "meter fails")
            file.write_text("1 2 3")
            assert (await ear.next()).current_a == (1.0, 2.0, 3.0)


def test_the_worked_example_refuses_what_it_should(textfile, context):
    with pytest.raises(NoReading):
        textfile.reading("10.5 11.2")
    with pytest.raises(BadOption, match="Did you mean 'file'"):
        textfile.connect({"type": "textfile", "fill": "x"}, context)


@pytest.mark.parametrize("device", [*PROFILES, *DEVICES])
def test_every_device_is_in_the_readme(device):
    assert device in README.read_text(encoding="utf-8")
