"""Files that are no plain YAML end in one clean complaint with a place."""

from pathlib import Path

import pytest

from loadmgr.config import ConfigurationError
from loadmgr.config.source import MOST_PIECES, read
from loadmgr.config.values import as_data, as_text


def said(raw: bytes, tmp_path: Path) -> str:
    file = tmp_path / "site.yaml"
    file.write_bytes(raw)
    with pytest.raises(ConfigurationError) as caught:
        read(file)
    return str(caught.value).removeprefix(f"{file}:")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "1:1: error: the file is empty"),
        (b"# only a comment\n", "1:1: error: the file is empty"),
        (b"- a\n- b\n", "1:1: error: a site is described by names and blocks"),
        (b"site: {name: a\n", "1:7: error: what opens here is never closed"),
        (b'site: {name: "a}\n', "1:14: error: what opens here is never closed"),
        (b"site:\n\tname: a\n", "2:1: error: a tab stands where YAML wants spaces"),
        (b"site: a: b\n", "1:8: error: a ':' where none can stand"),
        (b"site: \xff\xfe\n", "1:7: error: not UTF-8 text"),
        (
            b"a: 1\nsite: \x1b[31m\n",
            "2:7: error: a character that may not stand in text (number 27)",
        ),
        (b"a: 1\n---\nb: 1\n", "2:1: error: a second YAML document"),
        (b"a: !!python/object:os.system x\n", "1:4: error: a YAML tag ('!…') has no meaning here"),
        (b"a: *b\n", "1:4: error: nothing above is marked '&b'"),
        (b"a: &a {b: *a}\n", "1:11: error: nothing above is marked '&a'"),
        (b"[a, b]: 1\n", "1:1: error: a name is needed here, not a list or a block"),
        (b"a: " + b"[" * 100_000, "1:16: error: nested deeper than 12 levels"),
        (b"a: " + b"{a: " * 5000, "1:52: error: nested deeper than 12 levels"),
        (b'a: "\\ud800"\n', "1:4: error: this text hides a character (number 55296)"),
        (b'a: "\\e[31m"\n', "1:4: error: this text hides a character (number 27)"),
        (
            b'a: "\\xZZ"\n',
            "1:7: error: not YAML: expected escape sequence of 2 hexdecimal numbers, but found 'Z'",
        ),
    ],
)
def test_what_is_no_plain_yaml_is_refused_at_its_place(raw, message, tmp_path):
    assert said(raw, tmp_path) == message


def test_aliases_that_multiply_are_stopped_early(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    assert "too many settings" in said("\n".join(lines).encode(), tmp_path)
    assert MOST_PIECES < 10**6


def test_a_missing_file_and_a_folder_are_named_without_a_line(tmp_path):
    for path, message in [
        (tmp_path / "none.yaml", "there is no such file"),
        (tmp_path, "cannot be read: Is a directory"),
        (tmp_path / "a\0b", "cannot be read: embedded null byte"),
    ]:
        with pytest.raises(ConfigurationError) as caught:
            read(path)
        assert caught.value.problems[0].message == message
        assert caught.value.problems[0].place.line == 0


def test_a_file_of_many_megabytes_is_not_even_parsed(tmp_path):
    assert "larger than 4 MiB" in said(b"#" * (4 * 1024 * 1024 + 1), tmp_path)


def test_scalars_keep_their_text_for_us_and_their_type_for_connectors(tmp_path):
    file = tmp_path / "site.yaml"
    file.write_bytes(
        b"\xef\xbb\xbf"
        b"{a: 0012, b: 1.6, c: 17:00, d: 'yes', e: on, f: ~, g: 0x1F, h: -2, i: true, "
        b"j: '5', k: 1e3, l: " + b"9" * 5000 + b"}"
    )
    tree = read(file).tree
    assert as_text(tree) | {"l": ""} == {
        "a": "0012",
        "b": "1.6",
        "c": "17:00",
        "d": "yes",
        "e": "on",
        "f": None,
        "g": "0x1F",
        "h": "-2",
        "i": "true",
        "j": "5",
        "k": "1e3",
        "l": "",
    }
    assert as_data(tree) | {"l": ""} == {
        "a": 12,
        "b": 1.6,
        "c": "17:00",
        "d": "yes",
        "e": "on",
        "f": None,
        "g": 31,
        "h": -2,
        "i": True,
        "j": "5",
        "k": 1000.0,
        "l": "",
    }


def test_an_alias_stands_for_what_was_marked(tmp_path):
    file = tmp_path / "site.yaml"
    file.write_text("a: &lost {after: 15 s}\nb: *lost\n")
    assert as_text(read(file).tree)["b"] == {"after": "15 s"}
