"""The export, and the stand-alone verifier over it: agrees with the gateway and needs nothing of it."""

from __future__ import annotations

import ast
import contextlib
import io
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit import Signer, export_proof, prove
from tests.unit.audit import test_verify
from tests.unit.audit.kept import Kept

BUNDLE_ONLY = {test_verify.insert_foreign_writer}
"""What only the database can tell: which writers ever registered."""


@pytest.fixture
def script(repository: Path) -> Path:
    """The stand-alone verifier."""
    return repository / "gateway" / "audit" / "standalone.py"


def judge(script: Path, folder: Path, bundle: str, *options: str) -> tuple[int, str]:
    """Run the script on an export: its exit code and what it says."""
    path = folder / "bundle.jsonl"
    path.write_text(bundle, encoding="utf-8")
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = runpy.run_path(str(script))["main"]([str(path), *options])
    return code, said.getvalue()


def trusted(kept: Kept) -> tuple[str, ...]:
    """The key and the witness that an auditor would bring."""
    return "--key", kept.signer.public_key, "--witness", str(kept.witness.path)


def test_the_script_stands_alone(script: Path) -> None:
    """It imports the standard library and cryptography only, and stays under 300 lines."""
    text = script.read_text()
    roots = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else
                     [node.module or ""] if isinstance(node, ast.ImportFrom) else [])
    }  # fmt: skip
    assert roots - set(sys.stdlib_module_names) == {"cryptography"}
    assert text.count("\n") < 300


def test_it_runs_where_there_is_no_gateway(kept: Kept, script: Path, tmp_path: Path) -> None:
    """Copied elsewhere and run by an isolated interpreter it judges an export and ends with a code."""
    kept.fill()
    copied = tmp_path / "verify.py"
    shutil.copy(script, copied)
    bundle = tmp_path / "bundle.jsonl"
    codes = []
    for text in (kept.bundle(), kept.bundle().replace("gateway:test", "gateway:nobody", 1), "nonsense"):
        bundle.write_text(text, encoding="utf-8")
        command = [sys.executable, "-I", str(copied), str(bundle), *trusted(kept)]
        codes.append(subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode)
    assert codes == [0, 1, 2]


def test_a_whole_log_is_valid(kept: Kept, script: Path, tmp_path: Path) -> None:
    """An exported log with waiting rows is valid, with and without a key and a witness of one's own."""
    kept.fill()
    kept.write(kept.entry())
    code, said = judge(script, tmp_path, kept.bundle(), *trusted(kept))
    assert (code, "16 leaves, 4 checkpoints, 1 rows waiting, 4 witness notes: valid" in said) == (0, True)
    code, said = judge(script, tmp_path, kept.bundle())
    assert (code, "--key" in said, "no witness" in said) == (0, True, True)


@pytest.mark.parametrize("attack", set(test_verify.ATTACKS) - BUNDLE_ONLY, ids=lambda attack: attack.__name__)
def test_the_script_sees_the_same_attacks(
    kept: Kept, attack: Callable[[Kept], None], script: Path, tmp_path: Path
) -> None:
    """What the gateway's own recount finds, the stand-alone one finds in the export."""
    kept.fill()
    attack(kept)
    if not kept.witness.path.exists():
        kept.witness.path.write_text("")
    code, said = judge(script, tmp_path, kept.bundle(), *trusted(kept))
    assert (code, "FAULTS" in said) == (1, True)


def test_a_changed_export_is_seen(kept: Kept, script: Path, tmp_path: Path) -> None:
    """Lines removed from, added to or moved within the export are found, and so is a cut file."""
    kept.fill()
    lines = kept.bundle().splitlines(keepends=True)
    assert judge(script, tmp_path, "".join(lines), *trusted(kept))[0] == 0
    for position in range(1, len(lines)):
        assert judge(script, tmp_path, "".join(lines[:position] + lines[position + 1 :]), *trusted(kept))[0] == 1
        if position % 5 == 0:
            assert judge(script, tmp_path, "".join(lines[:position]), *trusted(kept))[0] == 1


def test_several_logs_share_an_export(kept: Kept, script: Path, tmp_path: Path) -> None:
    """An export of all tenants is judged log by log."""
    other = Kept(kept.store, f"{kept.tenant}-b", kept.witness.path.with_name("b"))
    kept.fill()
    other.fill((2,))
    code, said = judge(script, tmp_path, kept.bundle() + other.bundle())
    assert (code, said.count(": valid")) == (0, 2)
    other.sql("update audit_rows set body = :b where tenant = :t and seq = 1", b=b"\xff\xfe")
    code, said = judge(script, tmp_path, kept.bundle() + other.bundle())
    assert (code, said.count(": valid"), said.count("FAULTS")) == (1, 1, 1)


def test_the_key_decides(kept: Kept, script: Path, tmp_path: Path) -> None:
    """A log signed by somebody else is not valid under the auditor's key."""
    kept.fill()
    stranger = Signer(kept.tenant, Ed25519PrivateKey.generate())
    code, said = judge(script, tmp_path, kept.bundle(), "--key", stranger.public_key)
    assert (code, "not signed" in said) == (1, True)


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[]", '{"kind":"leaf"}\n', '{"kind":"log","version":2,"tenant":"t","keys":[]}\n', "{}\n"]
)
def test_what_is_no_export_is_unreadable(text: str, repository: Path, tmp_path: Path) -> None:
    """Other files end with code 2 and a word, not with a traceback."""
    code, said = judge(repository / "gateway" / "audit" / "standalone.py", tmp_path, text)
    assert (code, "unreadable" in said, "Traceback" in said) == (2, True, False)


DEEP = "[" * 100_000
"""More brackets than Python's reader of JSON follows."""


@pytest.mark.parametrize(
    ("told", "forged"),
    [
        ('"body":', '"body":"{}","body":'),
        ('"body":', '"body64":"e30=","body":'),
        ('"body":', '"signed_by":"somebody","body":'),
        ('"writer":', '"writer":"\\u001b[2K","w":'),
        ('"tenant":"', '"tenant":"\\u001b[2K'),
        ('{"kind":"leaf"', f'{{"kind":{DEEP}'),
    ],
    ids=["named-twice", "two-bodies", "unknown-field", "no-number", "terminal", "deep"],
)
def test_nothing_stands_in_an_export_that_is_not_judged(
    told: str, forged: str, kept: Kept, script: Path, tmp_path: Path
) -> None:
    """A field that is there twice, that nothing vouches for, or that writes on a screen makes it no export."""
    kept.fill()
    code, said = judge(script, tmp_path, kept.bundle().replace(told, forged, 1), *trusted(kept))
    assert (code, "unreadable" in said, "Traceback" in said, "\x1b" in said) == (2, True, False, False)


def test_a_genuine_proof_vouches_for_nothing_else(kept: Kept, script: Path, tmp_path: Path) -> None:
    """Leaves beside a proof, and leaves without any signed head, are not valid, whoever brings them."""
    kept.fill()
    proof, leaves = io.StringIO(), [line for line in kept.bundle().splitlines() if '"kind":"leaf"' in line][:3]
    keys = (kept.signer.public_key,)
    found = kept.store.read_sync(lambda connection: prove(connection, kept.tenant, 2, keys))
    export_proof(kept.tenant, keys, found, proof)
    assert judge(script, tmp_path, proof.getvalue(), *trusted(kept))[0] == 0
    log, one, _ = proof.getvalue().splitlines()
    mixed = [log, *leaves, one, '{"kind":"end","leaf":3,"proof":1}']
    code, said = judge(script, tmp_path, "\n".join(mixed), *trusted(kept))
    assert (code, "bundle of its own" in said) == (1, True)
    code, said = judge(script, tmp_path, "\n".join([log, *leaves, '{"kind":"end","leaf":3}']))
    assert (code, "no signed head" in said) == (1, True)


def test_leaves_after_the_last_head_are_told(kept: Kept, script: Path, tmp_path: Path) -> None:
    """Whoever makes up a leaf behind the last head signs nothing, and the verdict says so."""
    kept.fill()
    lines = [line for line in kept.bundle().splitlines() if f'"size":{16}' not in line]
    code, said = judge(script, tmp_path, "\n".join(lines).replace('"checkpoint":4', '"checkpoint":3'))
    assert (code, "not signed yet" in said) == (0, True)
