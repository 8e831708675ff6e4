"""The shape of the code, held by a test: direction of imports, sizes, and what is banned everywhere."""

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ivsqa"
MODULES = sorted(PACKAGE.rglob("*.py"))
LAYERS = ("errors", "domain", "drawing", "io", "pages", "phantom", "model", "workflow", "study", "cli")

# `model` stands after `io` in the order of layers but knows nothing of files: it gets arrays and gives bytes.
MAY_IMPORT = {
    "errors": set(),
    "domain": {"domain"},
    "drawing": {"domain", "drawing"},
    "io": {"errors", "domain", "drawing", "io"},
    "pages": {"errors", "domain", "drawing", "io", "pages"},
    "phantom": {"errors", "domain", "io", "phantom"},
    "model": {"errors", "domain", "model"},
    "workflow": set(LAYERS) - {"study", "cli"},
    "study": set(LAYERS) - {"cli"},
    "cli": set(LAYERS),
}
OUTSIDE = {
    "errors": set(),
    "domain": {"numpy", "scipy", "shapely", "skimage"},
    "drawing": {"numpy", "skimage", "PIL", "jinja2", "markupsafe"},
    "pages": {"numpy", "markupsafe"},
    "phantom": {"numpy", "scipy", "skimage", "pydicom", "PIL"},
    "io": {
        "numpy",
        "scipy",
        "shapely",
        "skimage",
        "yaml",
        "pydantic",
        "pydantic_core",
        "pydicom",
        "gdcm",
        "defusedxml",
        "nibabel",
        "nrrd",
        "polars",
        "PIL",
        "cv2",
        "markupsafe",
    },
    "model": {"numpy", "openvino", "torch", "safetensors"},
    "workflow": {"numpy", "scipy", "shapely", "skimage", "polars", "PIL"},
    "study": set(),
    "cli": {"numpy", "typer", "tqdm"},
}
IMPURE = {
    "os",
    "io",
    "pathlib",
    "shutil",
    "tempfile",
    "time",
    "datetime",
    "random",
    "secrets",
    "subprocess",
    "socket",
    "urllib",
}

ROOM_MAY_IMPORT = {
    "predicting": set(),
    "importing": set(),
    "training": {"predicting"},
    "scoring": {"predicting"},
    "simulating": {"predicting"},
    "clusters": set(),
    "measuring": {"predicting"},
    "rounds": {"predicting"},
    "readers": {"predicting", "rounds"},
    "evaluating": {"predicting", "readers"},
    "accepting": {"predicting"},
    "reporting": {"predicting", "measuring", "rounds", "readers"},
    "demo": {"predicting", "importing", "training", "scoring", "evaluating", "rounds", "reporting"},
}
"""Which rooms of the workflow may use which. Helpers of several rooms are in `predicting`; the demo drives the others."""

MAY_LOAD_TORCH = (
    "model/",
    "workflow/training/",
    "workflow/evaluating/",
    "workflow/simulating/",
    "workflow/demo/demo.py",
    "workflow/predicting/networks.py",
    "workflow/predicting/samples.py",
    "workflow/predicting/signals.py",
)
"""Torch takes seconds to load: only what trains or predicts imports it, others where prediction starts, in a function."""

MOST_LINES_OF_A_MODULE = 400
MOST_LINES_OF_A_FUNCTION = 60
MEDIAN_LINES_OF_A_FUNCTION = 15


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of every import, also of those inside functions."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def loaded_with(path: Path) -> set[str]:
    """Return the names of our modules and of packages that are loaded when a module is."""
    loaded: set[str] = set()
    waiting = [path]
    while waiting:
        new = loaded_by(waiting.pop()) - loaded
        loaded |= new
        for name in new:
            module = PACKAGE.parent.joinpath(*name.split("."))
            waiting += [source for source in (module.with_suffix(".py"), module / "__init__.py") if source.is_file()]
    return loaded


@cache
def loaded_by(path: Path) -> frozenset[str]:
    """Return what a module itself imports when it is loaded, with the packages above: a.b.c, a.b and a."""
    names = [name.split(".") for name in _imported_on_load(tree_of(path).body)]
    return frozenset(".".join(parts[:depth]) for parts in names for depth in range(1, len(parts) + 1))


def _imported_on_load(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the dotted name of every import that runs when a module is loaded: none in functions or for types only."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Try | ast.ClassDef | ast.With) or (
            isinstance(node, ast.If) and ast.unparse(node.test) != "TYPE_CHECKING"
        ):
            yield from _imported_on_load(node.body)


def functions() -> Iterator[tuple[str, int]]:
    """Yield (place, lines) of every function and method; its docstring does not count."""
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0]
                prose = _lines_of(first) if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) else 0
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", _lines_of(node) - prose


def _lines_of(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


LAYERED = [path for path in MODULES if path.parent != PACKAGE or path.stem in ("errors", "study")]
layered = pytest.mark.parametrize("path", LAYERED, ids=lambda path: str(path.relative_to(PACKAGE)))


@layered
def test_imports_point_inwards(path):
    layer = layer_of(path)
    wrong = []
    for line, name in imported(path):
        first, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        if first == "ivsqa" and target in LAYERS and target not in MAY_IMPORT[layer]:
            wrong.append(f"line {line}: {layer} imports {name}")
        if first != "ivsqa" and first not in sys.stdlib_module_names | OUTSIDE[layer]:
            wrong.append(f"line {line}: {layer} imports {name}")
    assert not wrong


ROOMS = sorted(path for path in (PACKAGE / "workflow").rglob("*.py") if path.parent.name != "workflow")


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_rooms_of_the_workflow_import_only_the_rooms_they_may(path):
    room = path.parent.name
    used = {
        name.split(".")[2]: f"line {line}: {room} imports {name}"
        for line, name in imported(path)
        if name.startswith("ivsqa.workflow.") and name.split(".")[2] in ROOM_MAY_IMPORT
    }
    assert [place for target, place in used.items() if target not in ROOM_MAY_IMPORT[room] | {room}] == []


def test_no_use_case_but_the_demo_calls_a_use_case_of_another_room():
    commands = sorted((PACKAGE / "cli").rglob("*.py"))
    use_cases = {
        name.rpartition(".")[0]
        for path in commands
        for _, name in imported(path)
        if name.startswith("ivsqa.workflow.") and name.rpartition(".")[2].islower() and name.count(".") > 3
    }  # a command takes types from helpers, and functions from its use case
    called = {
        f"{path.parent.name}/{path.stem} imports {name}"
        for path in ROOMS
        for _, name in imported(path)
        if name.rpartition(".")[0] in use_cases and path.parent.name not in ("demo", name.split(".")[2])
    }
    assert "ivsqa.workflow.rounds.export" in use_cases
    assert called == set()


def test_rooms_of_the_workflow_are_listed_those_they_may_import_first():
    rooms = list(ROOM_MAY_IMPORT)
    assert set(rooms) == {path.parent.name for path in ROOMS}
    for room, others in ROOM_MAY_IMPORT.items():
        assert all(rooms.index(other) < rooms.index(room) for other in others), room  # so there is no cycle


# Rooms of `io`: what packets and sources share lies in `formats`, so that neither has to know the other.
MAY_NOT_IMPORT = {
    "io/formats": ("ivsqa.io.packets", "ivsqa.io.sources", "ivsqa.io.project"),
    "io/packets": ("ivsqa.io.sources",),
    "io/sources": ("ivsqa.io.packets",),
}


@pytest.mark.parametrize("room", MAY_NOT_IMPORT)
def test_rooms_of_io_know_only_what_they_share(room):
    wrong = [
        f"{path.relative_to(PACKAGE)}:{line} imports {name}"
        for path in sorted((PACKAGE / room).rglob("*.py"))
        for line, name in imported(path)
        if f"{name}.".startswith(tuple(f"{other}." for other in MAY_NOT_IMPORT[room]))
    ]
    assert wrong == []


def test_every_module_belongs_to_a_layer():
    assert {layer_of(path) for path in MODULES} == {*LAYERS, "__init__", "__main__"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "domain").rglob("*.py")), ids=lambda p: p.stem)
def test_the_domain_touches_no_disk_no_clock_and_no_global_randomness(path):
    names = {name.partition(".")[0] for _, name in imported(path)}
    assert not names & IMPURE
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("open", "input", "print"), f"line {node.lineno}"
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random"):
            # A generator is an argument or made from a seed that is one.
            assert node.attr in ("Generator", "default_rng"), f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_module_is_too_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES_OF_A_MODULE


def test_no_function_is_too_long_and_most_are_short():
    found = sorted(functions(), key=lambda one: -one[1])
    assert [one for one in found if one[1] > MOST_LINES_OF_A_FUNCTION] == []
    assert statistics.median(lines for _, lines in found) <= MEDIAN_LINES_OF_A_FUNCTION


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_error_is_swallowed_and_nothing_is_printed(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            names = {ast.unparse(one) if one is not None else "everything" for one in caught}
            ends_in_raise = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            broad = names & {"everything", "Exception", "BaseException"}
            assert not broad or (broad == {"BaseException"} and ends_in_raise), f"line {node.lineno} catches {names}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"line {node.lineno} prints"


@pytest.mark.parametrize(
    "statement",
    [
        "import ivsqa",
        "import ivsqa.cli.main",
        "from ivsqa.cli.main import app; app(['--help'])",
        "sys.argv[1:] = ['--help']; from ivsqa.__main__ import run; run()",
    ],
)
def test_help_loads_nothing_heavy(statement):
    heavy = (
        "torch",
        "numpy",
        "scipy",
        "shapely",
        "skimage",
        "pydantic",
        "polars",
        "pydicom",
        "PIL",
        "yaml",
        "tqdm",
        "nibabel",
        "nrrd",
        "cv2",
        "jinja2",
    )
    code = (
        "import sys, contextlib, io\n"
        f"with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n    {statement}\n"
        f"sys.stdout.write(' '.join(sorted(set({heavy!r}) & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


LIGHT = [path for path in MODULES if not path.relative_to(PACKAGE).as_posix().startswith(MAY_LOAD_TORCH)]


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_what_trains_or_predicts_loads_torch(path):
    assert "torch" not in loaded_with(path)


def test_what_loads_torch_by_way_of_others_is_noticed():
    assert "torch" in loaded_with(PACKAGE / "workflow/training/train.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_parts_of_scipy_load_when_they_are_used(path):
    # Each takes a tenth to half of a second. `import scipy` takes none, and its parts load at the first `scipy.stats.…`.
    assert not [f"line {line}: write `import scipy`" for line, name in imported(path) if name.startswith("scipy.")]


def test_nothing_names_a_path_of_one_machine():
    machine = re.compile(r"(?<![\w.])/(?:work|root|home|Users)/|(?<![\w.])/tmp/\w")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("ivsqa", "docs", "tests", "benchmarks", "templates", "examples")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".sh", ".json", ".csv"} and path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if machine.search(line)
    ]
    assert found == []
