"""The notebooks: thin, alike, agreeing with the library, and refusing what papermill lets through."""

from __future__ import annotations

import ast
import itertools
import pathlib
import typing
from typing import Any

import nbformat
import pytest

from conftest import REPOSITORY
from fix_databases import Place
from fix_project import Project
from pgrunbook import errors, notebook, stages
from pgrunbook.stages import STAGES

PATHS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
SECRET = "hunter2"  # noqa: S105

every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
every_stage = pytest.mark.parametrize("stage", STAGES.values(), ids=lambda stage: stage.name)


def read(path: pathlib.Path) -> Any:
    """A notebook, valid in its format."""
    found = nbformat.read(path, as_version=4)
    nbformat.validate(found)
    return found


def parameter_lines(name: str) -> list[str]:
    """The lines of a notebook's only parameters cell."""
    cells = read(REPOSITORY / "notebooks" / f"{name}.ipynb").cells
    (cell,) = [c for c in cells if "parameters" in c.metadata.get("tags", ())]
    return str(cell.source).splitlines()


# -- form --------------------------------------------------------------------------------------------------------


def test_every_stage__has_its_notebook_and_every_notebook_its_stage() -> None:
    """No orphan on either side."""
    assert [p.stem for p in PATHS] == sorted(s.notebook for s in STAGES.values())


@every_stage
def test_parameters_cell__equals_the_stage_s_parameters(stage: stages.Stage) -> None:
    """In names, order, types and defaults; what is a choice in the library is text here."""
    model = stage.parameters
    found = {}
    for line in parameter_lines(stage.notebook):
        (node,) = ast.parse(line).body
        assert isinstance(node, ast.AnnAssign)
        found[ast.unparse(node.target)] = (ast.unparse(node.annotation), ast.literal_eval(node.value))
    expected = {}
    for name, field in model.model_fields.items():
        choices = typing.get_args(field.annotation)
        kind = type(choices[0]) if choices else field.annotation
        expected[name] = (kind.__name__, field.default)
    assert found == expected
    assert list(found)[:4] == ["runbook", "target", "run_id", "evidence_dir"]
    assert model() == model(**{name: default for name, (_, default) in found.items()})


@every_stage
def test_parameters_cell__has_help_on_each_line(stage: stages.Stage) -> None:
    """papermill --help-notebook shows it; the target's says that it is no connection string."""
    lines = parameter_lines(stage.notebook)
    assert all(len(line.partition("  # ")[2]) > 10 for line in lines)
    assert any("never a connection string" in line for line in lines)


@every_notebook
def test_code_cells__are_thin(path: pathlib.Path) -> None:
    """At most eight lines, no def, no class, no loop, no condition; SQL in %%sql cells only."""
    for cell in read(path).cells:
        if cell.cell_type != "code":
            continue
        assert 1 <= len(cell.source.splitlines()) <= 8
        if cell.source.startswith("%%sql"):
            continue
        assert "%" not in cell.source
        nodes = list(ast.walk(ast.parse(cell.source)))
        banned = (
            ast.FunctionDef,
            ast.AsyncFunctionDef,
            ast.ClassDef,
            ast.Lambda,
            ast.For,
            ast.While,
            ast.If,
            ast.With,
            ast.Try,
        )
        assert not [ast.unparse(n) for n in nodes if isinstance(n, banned)]
        assert "://" not in cell.source


@every_notebook
def test_code_cells__are_each_explained_before(path: pathlib.Path) -> None:
    """A markdown cell goes before; only the %%sql cell that enable_sql is there for follows it directly."""
    cells = read(path).cells
    assert cells[0].cell_type == "markdown"
    for before, cell in itertools.pairwise(cells):
        if cell.cell_type == "code" and before.cell_type == "code":
            assert before.source == "enable_sql(session)"
            assert cell.source.startswith("%%sql")


@every_notebook
def test_opening_cell__says_what_a_person_has_to_know_first(path: pathlib.Path) -> None:
    """Below one heading."""
    opening = read(path).cells[0].source
    assert opening.startswith("# ")
    for word in ("Purpose.", "Side effects.", "How to abort.", "The way back."):
        assert f"**{word}**" in opening


@every_notebook
def test_a_committed_notebook__has_no_output(path: pathlib.Path) -> None:
    """No outputs, no counts, no widget state, no path; each cell has an id of its own; the kernel is any python3."""
    found = read(path)
    code = [c for c in found.cells if c.cell_type == "code"]
    assert all(c.outputs == [] and c.execution_count is None for c in code)
    assert not any(c.get("attachments") for c in found.cells)
    assert {key for c in found.cells for key in c.metadata} <= {"tags"}
    assert found.metadata.keys() <= {"kernelspec", "language_info"}
    assert found.metadata.kernelspec.name == "python3"
    assert len({c.id for c in found.cells}) == len(found.cells)
    assert path.read_text(encoding="utf-8").endswith("}\n")


@every_stage
def test_notebook__opens_its_stage_runs_all_its_parts_and_finishes_it(stage: stages.Stage) -> None:
    """In the stage's order; what is left out would fail the stage at its end."""
    cells = read(REPOSITORY / "notebooks" / f"{stage.notebook}.ipynb").cells
    source = "\n".join(c.source for c in cells if c.cell_type == "code")
    assert f'session = open_stage("{stage.name}", globals())' in source
    called = [source.find(f"{stage.name}.{part}(session") for part in stages._base.parts_of(stage.name)]
    assert -1 not in called
    assert called == sorted(called)
    assert source.endswith("finish(session)")


# -- parameters --------------------------------------------------------------------------------------------------


def injected(**parameters: object) -> dict[str, Any]:
    """A notebook's names, as they are below papermill's cell."""
    cell = "# Parameters\n" + "\n".join(f"{k} = {v!r}" for k, v in parameters.items())
    return {"In": ["", cell], **parameters}


@pytest.mark.parametrize(
    ("stage", "parameters", "message"),
    [
        ("baseline", {"foo": 1}, "10_baseline has no parameter foo"),
        ("baseline", {"scope": "all"}, "10_baseline has no parameter scope"),
        ("baseline", {"run_id": 7}, "10_baseline: run_id: input should be a valid string, not int 7"),
        ("migrate", {"runbook": None}, "20_migrate: runbook: input should be a valid string, not NoneType"),
        ("checklist", {"production": "true"}, "40_checklist: production: input should be a valid boolean, not str"),
        ("checklist", {"production": 1}, "40_checklist: production: input should be a valid boolean, not int 1"),
        ("rollback", {"scope": "everything"}, "90_rollback: scope: input should be '', 'indexes' or 'all', not str"),
    ],
)
def test_a_wrong_parameter__is_refused_by_name(stage: str, parameters: dict[str, object], message: str) -> None:
    """papermill only warns of an unknown one, and guesses types."""
    with pytest.raises(errors.WrongUsage) as e:
        notebook.read_parameters(stage, injected(**parameters))
    assert e.value.message == message
    assert e.value.remedy


def test_a_wrong_parameter_that_is_a_secret__is_not_repeated() -> None:
    """Text under the wrong name may be anything."""
    with pytest.raises(errors.WrongUsage) as e:
        notebook.read_parameters("rollback", injected(scope=SECRET, production=SECRET))
    assert SECRET not in str(e.value)
    assert ("scope" in e.value.message, "production" in e.value.message) == (True, True)


def test_names_that_papermill_did_not_inject__are_nobody_s_parameters() -> None:
    """A person's own variables in a notebook do no harm."""
    assert notebook.read_parameters("baseline", {"In": ["foo = 1"], "foo": 1, "run_id": "x"}).run_id == "x"


@pytest.mark.parametrize(
    ("stem", "parameters", "name", "message"),
    [
        pytest.param(
            "10_baseline", {"foo": 1}, "WrongUsage", "10_baseline has no parameter foo", marks=pytest.mark.servers
        ),
        pytest.param(
            "20_migrate", {"run_id": 7}, "WrongUsage", "20_migrate: run_id: input should be a valid string, not int 7",
            marks=pytest.mark.servers,
        ),
        ("10_baseline", {"target": f"postgresql://me:{SECRET}@db/x"}, "BadTarget", "looks like a connection string"),
    ],
)  # fmt: skip
def test_papermill_with_a_wrong_parameter__fails_before_anything_is_tried(
    project: Project, tmp_path: pathlib.Path, stem: str, parameters: dict[str, Any], name: str, message: str
) -> None:
    """Through the real papermill; no run's folder is made, and a secret is not repeated."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    with pytest.raises(PapermillExecutionError) as e:
        papermill.execute_notebook(
            str(REPOSITORY / "notebooks" / f"{stem}.ipynb"), str(tmp_path / "out.ipynb"), parameters, progress_bar=False
        )
    assert e.value.ename == name
    assert message in e.value.evalue
    assert SECRET not in e.value.evalue
    assert "remedy: " in e.value.evalue
    assert not (tmp_path / "evidence").exists()
    ran = [c for c in read(tmp_path / "out.ipynb").cells if c.cell_type == "code" and c.execution_count]
    assert "open_stage" in ran[-1].source
    outputs = "".join(str(c.get("outputs")) for c in ran)
    assert SECRET not in outputs


# -- %sql --------------------------------------------------------------------------------------------------------


def test_sql_cells__read_raise_on_an_error_and_can_not_write(
    project: Project, database: Place, tmp_path: pathlib.Path
) -> None:
    """ipython-sql would print the error and let the cell pass; after one, the next cell works."""
    from nbclient import NotebookClient

    database.run("create table t (a int)", "insert into t values (41)")
    project.runbook("r", "create index i on t (a)")
    cells = [
        f'runbook, target = "r", "{database.target}"\n'
        "from pgrunbook.notebook import enable_sql, open_stage\n"
        'session = open_stage("baseline", globals())\nenable_sql(session)',
        "%sql select a + 1 as answer from t",
        "%sql select a / 0 from t",
        "%sql insert into t values (2)",
        "%%sql\ncreate table u (a int)",
        "%sql select missing from t",
        "%sql begin; insert into t values (3); commit",
        "%sql select count(*) as still from t",
    ]
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    client = NotebookClient(
        made,
        kernel_name="python3",
        timeout=240,
        startup_timeout=240,
        allow_errors=True,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    raised = [[o.evalue for o in cell.outputs if o.output_type == "error"] for cell in made.cells]
    texts = ["".join(o.get("data", {}).get("text/plain", "") for o in cell.outputs) for cell in made.cells]
    assert raised[0] == raised[1] == raised[7] == []
    assert "42" in texts[1]
    assert "1" in texts[7]
    assert raised[2][0].startswith("%sql: ")
    assert "division by zero" in raised[2][0]
    assert all("read-only transaction" in raised[n][0] for n in (3, 4, 6))
    assert 'column "missing" does not exist' in raised[5][0]
    assert database.run("select count(*), to_regclass('u') from t") == [(1, None)]
