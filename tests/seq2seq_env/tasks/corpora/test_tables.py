from __future__ import annotations

from pathlib import Path

import pytest

from seq2seq_env.tasks.corpora.tables import read_jsonl, read_lines, read_tsv

SEPARATORS = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei"


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_only_line_feeds_end_a_line(tmp_path: Path) -> None:
    path = written(tmp_path / "lines", f"{SEPARATORS}\nzwei\r\ndrei")
    assert read_lines(path) == [SEPARATORS, "zwei", "drei"]
    path = written(tmp_path / "table.tsv", f"de\ten\n{SEPARATORS}\tone\n")
    assert list(read_tsv(path)) == [(2, {"de": SEPARATORS, "en": "one"})]
    path = written(tmp_path / "table.jsonl", f'{{"de": "{SEPARATORS[:7]}"}}\n')
    assert list(read_jsonl(path)) == [(1, {"de": SEPARATORS[:7]})]


def test_empty_lines_of_a_table_are_passed_over_and_those_of_one_column_are_texts(tmp_path: Path) -> None:
    path = written(tmp_path / "two.tsv", "de\ten\nhaus\thouse\n\nhund\tdog\n\n")
    assert [number for number, _ in read_tsv(path)] == [2, 4]
    path = written(tmp_path / "one.tsv", "de\nhaus\n\nhund\n")
    assert [cells["de"] for _, cells in read_tsv(path)] == ["haus", "", "hund"]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('"sie sagte ""ja"""', 'sie sagte "ja"'),
        ('""""', '"'),
        ('"ja"', '"ja"'),
        ('""ja""', '""ja""'),
        ('5" und 3"', '5" und 3"'),
        ('"', '"'),
    ],
)
def test_a_cell_is_unquoted_where_only_a_spreadsheet_writes_it_so(cell: str, text: str, tmp_path: Path) -> None:
    path = written(tmp_path / "table.tsv", f"de\ten\n{cell}\tyes\n")
    assert list(read_tsv(path)) == [(2, {"de": text, "en": "yes"})]


def test_a_table_that_quotes_all_cells(tmp_path: Path) -> None:
    path = written(tmp_path / "table.tsv", '"de"\t"en"\n"ja"\t"""yes"""\n')
    assert list(read_tsv(path)) == [(2, {"de": "ja", "en": '"yes"'})]


def test_a_line_feed_within_a_cell_is_refused_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path / "table.tsv", 'de\ten\n"ja\nnein"\tyes\n')
    with pytest.raises(ValueError, match=r"line 2 of .* has 1 cells, the header 2; give every column a cell, on one"):
        list(read_tsv(path))


def test_a_carriage_return_within_a_line_is_text(tmp_path: Path) -> None:
    assert read_lines(written(tmp_path / "lines", "a\rb\r\nc\n")) == ["a\rb", "c"]
