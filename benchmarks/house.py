"""How large the house is and how it is built: lines by room, functions, imports, comments, duplicates, tests.

python benchmarks/house.py [FOLDER] [--as before --commit 5f113b8]

FOLDER is a checkout of this repository, the one that holds this script unless another is named. The figures are kept in
the result under `after` or, with `--as before`, under `before`; the other half stays as it is. A line is one of: imports,
docstring, comment, blank, code. Statements are counted in the syntax tree, so no way of breaking lines changes them.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import statistics
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from report import RESULTS, print_table, write_json

KINDS = ("code", "imports", "docstrings", "comments", "blank")
LONG_FUNCTION = 60
SHORTEST_RUN = 6
RIDDLE = re.compile(r"((Return|Yield|Say|Tell) )?(what|how|which|where|when|who|whose|why)\b", re.IGNORECASE)
"""A first docstring line that names a question, not a thing."""


@dataclass(frozen=True)
class Module:
    """One Python file: its dotted name, its room, its lines, their syntax tree, and the kind of each line.

    The room is the folder below `ivsqa`, as `io/packets`; `top` for files beside the layers.
    """

    name: str
    room: str
    lines: list[str]
    tree: ast.Module
    kinds: list[str]
    n_comments: int


def read_module(path: Path, root: Path) -> Module:
    """Return a file's module with the kind of each of its lines."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    tree = ast.parse(text)
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    comments = [token for token in tokens if token.type == tokenize.COMMENT]
    kinds = ["code" if line.strip() else "blank" for line in lines]
    for token in comments:
        if token.line.lstrip().startswith("#"):
            kinds[token.start[0] - 1] = "comments"
    for node in ast.walk(tree):
        kind = "imports" if isinstance(node, ast.Import | ast.ImportFrom) else "docstrings" if is_prose(node) else ""
        if kind and isinstance(node, ast.stmt):
            kinds[node.lineno - 1 : node.end_lineno] = [kind] * ((node.end_lineno or node.lineno) - node.lineno + 1)
    parts = path.relative_to(root).with_suffix("").parts
    room = "/".join(parts[1:-1][:2]) or "top"
    return Module(".".join(parts).removesuffix(".__init__"), room, lines, tree, kinds, len(comments))


def is_prose(node: ast.AST) -> bool:
    """Whether a node is a string that stands alone: the docstring of a module, class, function or constant."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def lines_by_room(modules: list[Module]) -> dict[str, dict[str, float]]:
    """Return the lines of each room and of `all`, by kind, with its modules and its comments in 100 lines of code."""
    rooms: dict[str, dict[str, float]] = {}
    for room in ["all", *sorted({module.room for module in modules})]:
        inside = [module for module in modules if room in ("all", module.room)]
        kinds = Counter(kind for module in inside for kind in module.kinds)
        in_code = kinds["code"] + kinds["imports"]
        rooms[room] = {
            "modules": len(inside),
            "lines": sum(kinds.values()),
            **{kind: kinds[kind] for kind in KINDS},
            "comments_per_100_lines_of_code": round(100 * sum(one.n_comments for one in inside) / max(in_code, 1), 2),
        }
    return rooms


def function_lengths(modules: list[Module]) -> dict[str, float]:
    """Return how many functions there are and how long they are, their docstrings not counted."""
    lengths = [
        (node.end_lineno or node.lineno) - node.lineno + 1 - docstring_lines(node)
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    too_long = sum(length > LONG_FUNCTION for length in lengths)
    return {
        "n": len(lengths),
        "median_lines": statistics.median(lengths),
        "longest_lines": max(lengths),
        "share_above_60_lines": round(too_long / len(lengths), 4),
    }


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function's docstring; 0 where it has none."""
    first = node.body[0]
    return (first.end_lineno or first.lineno) - first.lineno + 1 if is_prose(first) else 0


def imports_between(modules: list[Module], *, for_types: bool) -> dict[str, set[str]]:
    """Return the modules of the package that each one imports, also inside functions.

    Args:
        modules: The package.
        for_types: Count imports that only type checkers follow, below `if TYPE_CHECKING:`, as well.
    """
    names = {module.name for module in modules}
    edges: dict[str, set[str]] = {}
    for module in modules:
        imported: set[str] = set()
        skipped = set() if for_types else imports_for_types(module.tree)
        for node in ast.walk(module.tree):
            if node in skipped:
                continue
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                whole = [f"{node.module}.{alias.name}" for alias in node.names]
                imported |= {name if name in names else str(node.module) for name in whole}
        edges[module.name] = (imported & names) - {module.name}
    return edges


def imports_for_types(tree: ast.Module) -> set[ast.AST]:
    """Return the imports below `if TYPE_CHECKING:`, which never run."""
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {node for block in blocks for statement in block.body for node in ast.walk(statement)}


def import_cycles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other in a circle."""
    reach = {name: reachable(name, edges) for name in edges}
    groups = {frozenset({name} | {other for other in reach[name] if name in reach[other]}) for name in edges}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def reachable(start: str, edges: dict[str, set[str]]) -> set[str]:
    """Return every module that one leads to, over any number of imports."""
    seen: set[str] = set()
    ahead = list(edges[start])
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            ahead += edges[name]
    return seen


def duplicated_runs(modules: list[Module]) -> dict[str, object]:
    """Return the runs of code lines that stand in two places, word for word but for spaces: how many, and their lines."""
    code = [
        (module.name, number, re.sub(r"\s+", "", line))
        for module in modules
        for number, (line, kind) in enumerate(zip(module.lines, module.kinds, strict=True), start=1)
        if kind == "code" and re.search(r"\w", line)  # a line of brackets alone says nothing
    ]
    places: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for start in range(len(code) - SHORTEST_RUN + 1):
        window = code[start : start + SHORTEST_RUN]
        if window[0][0] == window[-1][0]:
            places[tuple(line for _, _, line in window)].append(start)
    repeated = sorted({start for starts in places.values() if len(starts) > 1 for start in starts})
    covered = {start + ahead for start in repeated for ahead in range(SHORTEST_RUN)}
    firsts = [start for start in repeated if start - 1 not in set(repeated)]
    return {
        "shortest_run_lines": SHORTEST_RUN,
        "places": len(firsts),
        "lines": len(covered),
        "share_of_code": round(len(covered) / max(len(code), 1), 4),
        "where": [f"{code[start][0]}:{code[start][1]}" for start in firsts],
    }


def first_docstring_lines(modules: list[Module]) -> Iterator[str]:
    """Yield the first line of each docstring of a module, class or function."""
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text:
                    yield text.splitlines()[0]


def other_files(package: Path) -> dict[str, int]:
    """Return the lines of the package that are no Python, by the end of the file's name: templates, pages, scripts."""
    lines: Counter[str] = Counter()
    for path in sorted(package.rglob("*")):
        if path.is_file() and path.suffix not in {".py", ".pyc", ".typed"} and "__pycache__" not in path.parts:
            lines[path.suffix] += len(path.read_text(encoding="utf-8").splitlines())
    return dict(sorted(lines.items()))


def measure(root: Path) -> dict[str, object]:
    """Return every figure of a checkout."""
    modules = [read_module(path, root) for path in sorted((root / "ivsqa").rglob("*.py"))]
    edges = imports_between(modules, for_types=True)
    fan_out = {name: len(targets) for name, targets in edges.items()}
    farthest = max(fan_out, key=lambda name: fan_out[name])
    rooms = lines_by_room(modules)
    test_lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in (root / "tests").rglob("*.py"))
    nodes = [node for module in modules for node in ast.walk(module.tree)]
    return {
        "lines": rooms["all"]["lines"],
        "statements": sum(isinstance(node, ast.stmt) and not is_prose(node) for node in nodes),
        "modules": len(modules),
        "classes": sum(isinstance(node, ast.ClassDef) for node in nodes),
        "functions": function_lengths(modules),
        "fan_out": {
            "median": statistics.median(fan_out.values()),
            "greatest": fan_out[farthest],
            "greatest_of": farthest,
        },
        "import_cycles": import_cycles(imports_between(modules, for_types=False)),
        "import_cycles_of_types": len(import_cycles(edges)),
        "comments_per_100_lines_of_code": rooms["all"]["comments_per_100_lines_of_code"],
        "duplicated_runs": duplicated_runs(modules),
        "docstrings_that_begin_with_a_question": sum(
            RIDDLE.match(line) is not None for line in first_docstring_lines(modules)
        ),
        "test_lines": test_lines,
        "test_lines_over_source_lines": round(test_lines / rooms["all"]["lines"], 3),
        "lines_that_are_no_python": other_files(root / "ivsqa"),
        "rooms": rooms,
    }


def show(figures: dict[str, dict[str, object]]) -> None:
    """Print the totals of both states side by side, then the rooms of the latest one."""
    states = [state for state in ("before", "after") if state in figures]
    flat = {state: dict(flattened(figures[state])) for state in states}
    names = list(dict.fromkeys(name for state in states for name in flat[state]))
    print_table(["figure", *states], [[name, *(flat[state].get(name, "") for state in states)] for name in names])
    print()
    rooms = figures[states[-1]]["rooms"]
    assert isinstance(rooms, dict)
    columns = list(next(iter(rooms.values())))
    print_table(["room", *columns], [[room, *(facts[column] for column in columns)] for room, facts in rooms.items()])


def flattened(figures: dict[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    """Yield the figures but those of rooms, with their path in words; of lists the length."""
    for name, value in figures.items():
        if isinstance(value, dict) and name != "rooms":
            yield from flattened(value, f"{before}{name} ")
        elif name != "rooms":
            yield f"{before}{name}", len(value) if isinstance(value, list) else value


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--as", dest="state", choices=("before", "after"), default="after")
    parser.add_argument("--commit", default="", help="the commit that FOLDER holds, for the record")
    options = parser.parse_args()
    kept = RESULTS / "house.json"
    figures = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    states = {state: figures[state] for state in ("before", "after") if state in figures}
    commit = {"commit": options.commit} if options.commit else {}
    states[options.state] = commit | measure(options.folder)
    show(states)
    write_json("house", {state: states[state] for state in ("before", "after") if state in states})


if __name__ == "__main__":
    main()
