"""The compiler is found or missed, and the cache trusts only what its owner wrote."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from theorylab.readings import expression as ex
from theorylab.simulate import compiler, integrate
from theorylab.simulate.compiled import compile_formula

from .backends import needs_compiler
from .zoo import tensor

SOURCE = "int answer(void) { return 42; }\n"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "theorylab" / "compiled"


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PATH", "")
    compiler.compiler.cache_clear()
    yield
    monkeypatch.undo()
    compiler.compiler.cache_clear()


def decay() -> list[ex.Expression]:
    return [ex.mul(ex.const(-1), ex.var("rate"), ex.var("y"))]


def test_without_a_compiler_torch_integrates(no_compiler: None) -> None:
    assert compiler.compiler() is None
    assert compiler.build(SOURCE, ()) is None
    assert compile_formula(decay(), ["y"], {"rate": tensor([1.0])}, 0.0) is None


@needs_compiler
def test_a_formula_whose_kernel_cannot_be_built_runs_in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    from theorylab.simulate.kernel import solve

    rate = tensor([0.5, 2.0])
    field = compile_formula(decay(), ["y"], {"rate": rate}, 0.0)
    assert field is not None
    monkeypatch.setattr(solve, "build", lambda *arguments: None)
    monkeypatch.setattr(solve, "_libraries", compiler.Libraries())
    run = integrate(field, tensor([[1.0], [1.0]]), t_end=1.0, rtol=1e-9)
    assert torch.allclose(run.y[:, 0], torch.exp(-rate), rtol=1e-8)


@needs_compiler
def test_the_cache_is_closed_to_others_and_used_again(cache: Path) -> None:
    library = compiler.build(SOURCE, ("-O0",))
    assert library is not None
    assert library.answer() == 42
    [kept] = cache.iterdir()
    assert not cache.stat().st_mode & 0o077
    assert not kept.stat().st_mode & 0o077
    before, spent = kept.stat().st_mtime_ns, compiler.seconds_spent
    assert compiler.build(SOURCE, ("-O0",)) is not None
    assert kept.stat().st_mtime_ns == before
    assert compiler.seconds_spent == spent
    assert compiler.build(SOURCE, ("-O1",)) is not None
    assert len(list(cache.iterdir())) == 2


@needs_compiler
def test_the_key_holds_the_features_of_the_processor(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiler.build(SOURCE, ()) is not None
    monkeypatch.setattr(compiler, "cpu_features", lambda: "another machine")
    assert compiler.build(SOURCE, ()) is not None
    assert len(list(cache.iterdir())) == 2


@needs_compiler
def test_a_library_that_others_may_write_is_built_again(cache: Path) -> None:
    compiler.build(SOURCE, ())
    [kept] = cache.iterdir()
    kept.unlink()
    kept.write_bytes(b"not ours")
    kept.chmod(0o777)
    library = compiler.build(SOURCE, ())
    assert library is not None
    assert library.answer() == 42
    assert kept.read_bytes() != b"not ours"
    assert not kept.stat().st_mode & 0o022


@needs_compiler
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
def test_a_library_that_was_cut_short_is_built_again(cache: Path, share: float) -> None:
    """Such a file need not fail to load: some end the process, some lack a function."""
    compiler.build(SOURCE, ())
    [kept] = cache.iterdir()
    whole = kept.read_bytes()
    kept.unlink()  # this process has it loaded
    kept.write_bytes(whole[: int(share * len(whole))])
    library = compiler.build(SOURCE, ())
    assert library is not None
    assert library.answer() == 42
    assert [path.read_bytes() for path in cache.iterdir()] == [whole]


@needs_compiler
def test_a_changed_library_is_not_loaded(cache: Path) -> None:
    compiler.build(SOURCE.replace("42", "41"), ())
    [other] = cache.iterdir()
    compiler.build(SOURCE, ())
    [kept] = {*cache.iterdir()} - {other}
    kept.unlink()
    kept.write_bytes(other.read_bytes())
    library = compiler.build(SOURCE, ())
    assert library is not None
    assert library.answer() == 42


def test_names_that_lead_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A quotation that is not closed is no compiler; a cache folder is absolute, as the XDG specification asks."""
    monkeypatch.setenv("CC", "gcc 'x")
    compiler.compiler.cache_clear()
    usual = compiler.compiler()
    monkeypatch.delenv("CC")
    compiler.compiler.cache_clear()
    assert compiler.compiler() == usual
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    assert compiler.cache_state().folder.is_relative_to(tmp_path / "home")
    assert not (tmp_path / "here").exists()


@needs_compiler
@pytest.mark.parametrize("spoil", ["open", "link"])
def test_a_folder_that_others_may_write_is_not_used(cache: Path, spoil: str, tmp_path: Path) -> None:
    cache.parent.mkdir(parents=True)
    if spoil == "open":
        cache.mkdir()
        cache.chmod(0o777)
    else:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        cache.symlink_to(tmp_path / "elsewhere")
    assert compiler.cache_folder() != cache
    assert not compiler.cache_folder().stat().st_mode & 0o077
    assert compiler.build(SOURCE, ("-O0",)) is not None
    assert not list(cache.iterdir())


@needs_compiler
@pytest.mark.parametrize("whose", ["folder", "file"])
def test_what_belongs_to_another_user_is_not_loaded(cache: Path, whose: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder or a library of someone else is left alone, also where its permissions look right."""
    compiler.build(SOURCE, ())
    [kept] = cache.iterdir()
    foreign = cache if whose == "folder" else kept
    true_lstat = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        found = true_lstat(path)
        return os.stat_result([*found[:4], found.st_uid + 1, *found[5:]]) if path == foreign else found

    monkeypatch.setattr(Path, "lstat", lstat)
    assert (compiler.cache_folder() == cache) == (whose == "file")
    loaded: list[str] = []
    monkeypatch.setattr(compiler.ctypes, "CDLL", lambda path: loaded.append(path))
    before = kept.stat().st_mtime_ns
    compiler.build(SOURCE, ())
    built_again = kept.stat().st_mtime_ns != before
    assert built_again if whose == "file" else Path(loaded[0]).parent != cache


@needs_compiler
def test_a_folder_above_that_others_may_write_to_is_not_trusted(cache: Path) -> None:
    compiler.build(SOURCE, ())
    cache.parent.chmod(0o777)
    assert compiler.cache_folder() != cache
    assert compiler.cache_state().text.endswith("is not used: others may write to theorylab")


@needs_compiler
def test_source_that_does_not_compile_leaves_nothing(cache: Path) -> None:
    assert compiler.build("int answer(void) { return forty_two; }", ()) is None
    assert not list(cache.iterdir())


@needs_compiler
def test_processes_may_build_at_the_same_time(cache: Path) -> None:
    program = f"from theorylab.simulate import compiler\nassert compiler.build({SOURCE!r}, ()).answer() == 42"
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache.parent.parent)}
    running = [subprocess.Popen([sys.executable, "-c", program], env=environment) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert len(list(cache.iterdir())) == 1


@needs_compiler
def test_doctor_sees_what_simulate_uses(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from theorylab import doctor

    found = {finding.part: finding for finding in doctor.examine()}
    assert found["C compiler"].status == "ok"
    assert found["kernel cache"].status == "ok"
    assert str(cache) in found["kernel cache"].found
    cache.chmod(0o755)
    again = {finding.part: finding for finding in doctor.examine()}["kernel cache"]
    assert (again.status, again.found) == ("skipped", f"{cache} is not used: others may read compiled")
    monkeypatch.setattr(compiler, "compiler", lambda: None)
    [missing] = [finding for finding in doctor.examine() if finding.part == "C compiler"]
    assert missing.status == "skipped"
