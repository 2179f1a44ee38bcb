"""Imports point down; siblings are blind to each other; programs are thin."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mindeye"
# From the ground up. Parts of one layer do not import each other, except in the base layer.
LAYERS = (
    {
        "__init__",
        "types",
        "disk",
        "files",
        "pictures",
        "row_products",
        "config",
        "run",
        "checkpoint_pair",
        "run_identity",
        "saved_state",
        "nsd_layout",
        "mosaic_layout",
        "things_layout",
        "laion_layout",
        "nsd_experiments",
        "quirks",
        "pickle_machine",
        "device_copy",
        "seeds",
    },
    {"models", "targets", "data", "simulate", "losses", "retrieval", "metrics"},
    {"training", "reconstruction"},
    {"analysis", "interpret", "report"},
    {"verbs"},
    {"cli"},
    {"__main__"},
)
LAYER_OF = {part: number for number, layer in enumerate(LAYERS) for part in layer}
PROGRAM_FOLDERS = ("train", "eval", "data_scripts")
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "old", "new", "final"}

LIBRARY = sorted(PACKAGE.rglob("*.py"))
PROGRAMS = sorted(path for name in PROGRAM_FOLDERS for path in (ROOT / name).rglob("*.py"))


def part_of(path: Path) -> str:
    """The folder or file directly under mindeye/ that a module belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(source: str) -> set[str]:
    """Dotted names of all imports, also those inside functions; `from a import b` gives a.b."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import: write the whole name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imported_parts(source: str) -> set[str]:
    """Parts of mindeye that a source imports."""
    names = [name.split(".") for name in imported_modules(source)]
    # `from mindeye import __version__` names no part: it reads the package itself.
    known = {part_of(path) for path in LIBRARY}
    return {name[1] for name in names if name[0] == "mindeye" and name[1:] and name[1] in known}


def violations(part: str, imported: set[str]) -> set[str]:
    """Which of the imported parts `part` must not see."""
    own = LAYER_OF[part]
    return {
        other
        for other in imported - {part}
        if LAYER_OF[other] > own or (LAYER_OF[other] == own and own > 0)
    }


def called_names(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_every_part_has_a_layer():
    parts = {part_of(path) for path in LIBRARY}
    assert parts <= LAYER_OF.keys(), f"give {parts - LAYER_OF.keys()} a place in LAYERS"


def test_the_rules_see_a_breach():
    assert violations("models", {"targets", "types"}) == {"targets"}
    assert violations("data", {"training"}) == {"training"}
    assert violations("training", {"reconstruction", "models", "run"}) == {"reconstruction"}
    assert violations("run", {"config", "files"}) == set()
    inside = "def f():\n    from mindeye.models.decoder import Decoder"
    assert imported_parts(inside) == {"models"}
    assert imported_parts("from mindeye import losses, __version__") == {"losses"}


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_down(path):
    imported = imported_parts(path.read_text(encoding="utf-8"))
    assert not violations(part_of(path), imported)
    if part_of(path) == "types":
        assert not imported


def test_nothing_imports_a_program():
    folders = set(PROGRAM_FOLDERS) | {"tests"}
    for path in [*LIBRARY, *PROGRAMS]:
        roots = {name.split(".")[0] for name in imported_modules(path.read_text(encoding="utf-8"))}
        assert not roots & folders, path


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_programs_define_nothing_but_main(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    assert {node.name for node in tree.body if isinstance(node, kinds)} <= {"main"}
    assert ast.get_docstring(tree), "say in the first line what the program does"


def test_every_file_is_named_after_what_it_holds():
    for path in [*LIBRARY, *PROGRAMS]:
        assert path.stem not in EMPTY_NAMES, path
        assert not {part.removesuffix(".py") for part in path.relative_to(ROOT).parts} & EMPTY_NAMES


def test_the_library_does_not_print():
    for path in LIBRARY:
        if part_of(path) != "cli":
            calls = called_names(ast.parse(path.read_text(encoding="utf-8")))
            assert "print" not in {name for name, _ in calls}, path


def test_nothing_loads_pickles():
    for path in [*LIBRARY, *PROGRAMS]:
        source = path.read_text(encoding="utf-8")
        # The class of an error can be caught without loading anything.
        imported = imported_modules(source) - {"pickle.UnpicklingError"}
        assert not {name.split(".")[0] for name in imported} & {"pickle", "joblib"}
        for name, call in called_names(ast.parse(source)):
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            assert given.get("allow_pickle", "False") == "False", path
            if name == "torch.load":
                assert given.get("weights_only") == "True", path


@pytest.mark.parametrize("arguments", [[], ["--help"], ["train", "--help"]])
def test_import_and_help_load_no_heavy_package(arguments):
    code = (
        "import sys\n"
        "import mindeye\n"
        "if sys.argv[1:]:\n"
        "    from mindeye.cli import main\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit as end:\n"
        "        assert end.code == 0, end.code\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'open_clip', 'faiss', 'pandas', 'scipy'}\n"
        "print(sorted(heavy & sys.modules.keys()), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr.strip() == "[]"
