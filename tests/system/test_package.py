"""Tests of building the deployment package: it is test-imported, and it is reproducible."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.import_package import imported_modules
from infra.package import (
    ARCHIVE,
    FOLDER,
    ROOT,
    SITE_PACKAGES,
    PackageError,
    compile_bytecode,
    ensure_azure_python,
    ensure_small,
    files_in,
    install_dependencies,
    is_azure_like,
    remove_earlier,
    remove_never_imported,
    try_imports,
    write_archive,
)

APP = """
import library
class Function:
    get_function_name = staticmethod(lambda: "weekly")
class app:
    get_functions = staticmethod(lambda: [Function])
def weekly():
    from consent import job
"""
OPTIONAL = "try:\n    import not_there\nexcept ImportError:\n    pass\n"


def a_package(folder: Path, *, app: str = APP, job: str = "") -> Path:
    """A small app and its dependencies, laid out like the package."""
    files: dict[str | Path, str] = {
        "function_app.py": app,
        "consent/__init__.py": "",
        "consent/job.py": job,
        SITE_PACKAGES / "library.py": "VALUE = 1",
        SITE_PACKAGES / "azure_functions_runtime.py": "",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def output_of(program: str, folder: Path) -> str:
    """The output of a program that can import the modules of a folder."""
    command = [sys.executable, "-I", "-B", "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {program}"]
    return subprocess.run(command, capture_output=True, check=True, encoding="utf-8", timeout=60).stdout.strip()


@pytest.mark.parametrize("version", [(3, 11), (3, 14)])
def test_another_python_is_rejected(version: tuple[int, int]) -> None:
    ensure_azure_python((3, 13, 5))
    with pytest.raises(PackageError, match=r"Needs Python 3\.13"):
        ensure_azure_python(version)


def test_without_uv_the_message_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(PackageError, match="python -m pip install uv"):
        install_dependencies(ROOT, tmp_path / "site-packages")


@pytest.mark.parametrize(
    ("system", "machine", "like"),
    [("linux", "x86_64", True), ("linux", "aarch64", False), ("win32", "AMD64", False), ("darwin", "x86_64", False)],
)
def test_the_package_is_imported_only_where_its_wheels_run(system: str, machine: str, like: bool) -> None:
    assert is_azure_like(system, machine) is like


def test_a_failed_build_leaves_no_earlier_package(tmp_path: Path) -> None:
    package = a_package(tmp_path / "package")
    write_archive(package, tmp_path / "package.zip")

    for _ in range(2):  # the second time there is nothing to remove
        remove_earlier(package, tmp_path / "package.zip")

    assert list(tmp_path.iterdir()) == []


def test_an_earlier_package_that_cannot_be_removed_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "package").write_text("", encoding="utf-8")  # in place of a folder that another program uses

    with pytest.raises(PackageError, match="cannot be removed"):
        remove_earlier(tmp_path / "package", tmp_path / "package.zip")


def test_what_is_never_imported_is_removed_and_licences_are_kept(tmp_path: Path) -> None:
    kept = {"lib/lib.py", "lib.dist-info/METADATA", "lib.dist-info/licenses/lib/tests.c"}
    for name in (*kept, "lib/lib.pyi", "lib/lib.c", "lib/tests/test_lib.py", "lib/tests/lib.h", "lib.dist-info/RECORD"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    remove_never_imported(tmp_path)

    assert {path.relative_to(tmp_path).as_posix() for path in files_in(tmp_path)} == kept


def test_a_package_that_is_too_large_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "library").write_bytes(bytes(1_000_000))
    ensure_small(tmp_path, most=1)
    (tmp_path / "more").write_bytes(b"1")

    with pytest.raises(PackageError, match="at most 1 MB"):
        ensure_small(tmp_path, most=1)


def test_the_functions_of_a_package_are_listed(tmp_path: Path) -> None:
    assert try_imports(a_package(tmp_path)) == "weekly"


@pytest.mark.parametrize(
    "job",
    [
        pytest.param("import not_there", id="a module that does not exist"),
        pytest.param("import pytest", id="a module of this machine"),
        pytest.param("def run():\n    import not_there", id="a module that is imported later"),
        pytest.param("from consent.also import x", id="a module of the app"),
    ],
)
def test_a_package_without_a_needed_module_is_rejected(job: str, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="cannot be imported"):
        try_imports(a_package(tmp_path, job=job))


def test_a_package_may_lack_an_optional_module(tmp_path: Path) -> None:
    assert try_imports(a_package(tmp_path, job=OPTIONAL)) == "weekly"


def test_an_app_without_functions_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="cannot be imported"):
        try_imports(a_package(tmp_path, app=APP.replace("[Function]", "[]")))


def test_the_test_import_sees_no_setting_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPBOX_KEY", "abc")
    seen = "import os\nassert 'DROPBOX_KEY' not in os.environ\n"

    assert try_imports(a_package(tmp_path, app=seen + APP)) == "weekly"


@pytest.mark.parametrize(
    "module", ["dropbox", "numpy", "typst", "azure.data.tables", "consent.runs.pipeline", "zoneinfo"]
)
def test_the_test_import_covers_what_a_run_imports(module: str) -> None:
    assert module in imported_modules(ROOT)


@pytest.mark.parametrize("module", ["rich", "dotenv", "platformdirs", "sandbox", "consent.cli.main"])
def test_the_test_import_leaves_out_what_only_the_command_line_imports(module: str) -> None:
    assert module not in imported_modules(ROOT)


def test_bytecode_stays_valid_when_file_times_change(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("print('as compiled')", encoding="utf-8")
    compile_bytecode(tmp_path)
    (tmp_path / "module.py").write_text("print('as it is now')", encoding="utf-8")

    assert output_of("import module", tmp_path) == "as compiled"


def test_no_path_of_this_machine_is_in_the_bytecode(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("def here(): pass", encoding="utf-8")

    compile_bytecode(tmp_path)

    assert [path for path in tmp_path.rglob("*.pyc") if str(tmp_path).encode() in path.read_bytes()] == []


def test_a_module_that_cannot_be_compiled_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("def", encoding="utf-8")

    with pytest.raises(PackageError, match="cannot be compiled"):
        compile_bytecode(tmp_path)


def test_the_archive_holds_every_file(tmp_path: Path) -> None:
    package = a_package(tmp_path / "package")

    write_archive(package, tmp_path / "package.zip")

    with zipfile.ZipFile(tmp_path / "package.zip") as archive:
        assert archive.namelist() == [path.relative_to(package).as_posix() for path in files_in(package)]


def test_the_same_files_give_the_same_archive(tmp_path: Path) -> None:
    package = a_package(tmp_path / "package")
    write_archive(package, tmp_path / "first.zip")
    os.utime(package / "function_app.py", (0, 0))

    write_archive(package, tmp_path / "second.zip")

    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()


def test_the_archive_is_not_inside_the_folder() -> None:
    assert FOLDER not in ARCHIVE.parents
