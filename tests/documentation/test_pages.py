from __future__ import annotations

import pytest

from tests.documentation.pages import read_page

NESTED = """\
1. A list:

    ```bash
    ls
    ```

=== "A tab"

    !!! note

        <!-- test: slow -->
        ```python title="x.py"
        if True:
            print("`ticks`")
        ```

````markdown
<!-- test: sometimes -->
```python
text of another fence
```
````

~~~ { .python .annotate }
x = 1
~~~

Write `<!-- test: slow -->` before a fence.

<!-- test: parse, a cluster, with GPUs -->
```bash
srun hostname
```

```text
no code
```
"""


def test_fences_in_lists_tabs_and_admonitions_are_found() -> None:
    page = read_page("page.md", NESTED)
    assert page.faults == []
    assert [(block.place, block.language, block.mode, block.code) for block in page.blocks] == [
        ("page.md:3", "bash", "run", "ls\n"),
        ("page.md:12", "python", "slow", 'if True:\n    print("`ticks`")\n'),
        ("page.md:24", "python", "run", "x = 1\n"),
        ("page.md:31", "bash", "parse", "srun hostname\n"),
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<!-- test: sometimes -->\n```bash\nls\n```", "page.md:1: unknown mark 'sometimes'"),
        ("<!-- test -->\n```bash\nls\n```", "page.md:1: unknown mark ''"),
        ("<!-- test: slow, it is -->\n```bash\nls\n```", "page.md:1: unknown mark 'slow, it is'"),
        ("<!-- test: parse -->\n```bash\nls\n```", "page.md:1: say why the block cannot run"),
        ("<!-- test: parse,  -->\n```bash\nls\n```", "page.md:1: say why the block cannot run"),
        ("Text.\n\n```python\nx = 1\n``", "page.md:3: the fence is not closed"),
        ("````python\nx = 1\n```", "page.md:1: the fence is not closed"),
        ("<!-- test: slow -->\n\n```bash\nls\n```", "page.md:1: no fence follows the mark"),
        ("Text.\n<!-- test: slow -->", "page.md:2: no fence follows the mark"),
        ("<!-- test: slow -->\n```text\nls\n```", "page.md:1: the mark stands before a fence that no test runs"),
        ("```sh\nls\n```", "page.md:1: write bash in place of sh"),
    ],
)
def test_what_is_unclear_is_a_fault_with_its_place(text: str, fault: str) -> None:
    (found,) = read_page("page.md", text).faults
    assert found.startswith(fault)
