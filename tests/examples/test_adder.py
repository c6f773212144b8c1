"""The GPT that adds: its cache gives what the whole pass gives, it learns, goes on from a file and refuses in words."""

import os
import re
import subprocess
import sys
import time
import tracemalloc
from itertools import islice
from pathlib import Path

import adder
import gpt
import numpy as np
import pytest

from chainrule import Labels, prediction, tree
from examples.programs import is_picture

EXAMPLES = Path(__file__).parents[2] / "examples"


def program(*options: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The example as a program of its own, in a folder."""
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)} | environment
    call = [sys.executable, str(EXAMPLES / "adder.py"), *options]
    return subprocess.run(call, cwd=folder, env=paths, capture_output=True, check=False, text=True, timeout=300)


def some(dtype: str, n: int = 3, length: int = 9) -> tuple[gpt.Params, Labels]:
    """Parameters of a network of two blocks, none of whose arrays is zero or one, and tokens."""
    rng = np.random.default_rng(0)
    params = gpt.init(rng, 7, length, 16, 2, dtype=dtype)
    params = tree.map(lambda a: a + rng.normal(0, 0.2, a.shape).astype(dtype), params)
    return params, rng.integers(0, 7, (n, length))


@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("read", [1, 4])
def test_each_place_with_the_cache_has_the_logits_of_the_whole_pass(dtype: str, bound: float, read: int) -> None:
    network, (params, tokens) = gpt.gpt(4, 2), some(dtype)
    whole = prediction(network)(params, tokens)
    logits, pasts = gpt.read(network, params, tokens[:, :read])
    for place in range(read, tokens.shape[1] + 1):
        assert logits.dtype == whole.dtype == np.dtype(dtype)
        assert abs(logits - whole[:, place - 1]).max() <= bound * abs(whole).max()
        if place < tokens.shape[1]:
            logits, pasts = gpt.step(params, pasts, tokens[:, place])


def test_writing_goes_on_beyond_the_last_place_with_what_was_written_last() -> None:
    network, (params, tokens) = gpt.gpt(4, 2), some("float64", n=2, length=8)
    written = np.stack([*islice(gpt.generate(network, params, tokens[:, :5], np.random.default_rng(0)), 12)], axis=1)
    text = np.concatenate([tokens[:, :5], written], axis=1)
    read = [5, 6, 7, 8, *[5, 6, 7, 8] * 2]  # a ninth place there is not: the last five tokens are read again
    for place, length in enumerate(read, start=5):
        likeliest = prediction(network)(params, text[:, place - length : place])[:, -1].argmax(axis=-1)
        assert (text[:, place] == likeliest).all()


def test_tokens_are_drawn_with_the_probabilities_of_the_temperature() -> None:
    network, (params, tokens) = gpt.gpt(4, 2), some("float64", n=1)
    many = np.repeat(tokens[:, :4], 20_000, axis=0)
    drawn = next(gpt.generate(network, params, many, np.random.default_rng(0), temperature=0.7))
    scores = np.exp(prediction(network)(params, tokens[:, :4])[0, -1] / 0.7)
    share = np.bincount(drawn, minlength=7) / len(drawn)
    assert abs(share - scores / scores.sum()).max() < 5 * np.sqrt(0.25 / len(drawn))  # five standard deviations


def test_sums_are_written_with_the_last_digit_of_the_result_first() -> None:
    text = ["".join(adder.SIGNS[token] for token in row) for row in adder.sums(np.array([457_234, 999_001, 7_005]))]
    assert text == ["457+234=1960", "999+001=0001", "007+005=2100"]


def learned(*options: str, records: int | None = None, length: int = 11) -> list[adder.Learned]:
    """The first records of a short run."""
    rng = np.random.default_rng(0)
    params = gpt.init(rng, len(adder.SIGNS), length, adder.WIDTH, adder.BLOCKS)
    tokens = adder.sums(rng.choice(1_000_000, 45 * 64))
    return [*islice(adder.learn(adder.read_options(options), params, tokens, 64, adder.RESULT), records)]


def test_it_learns() -> None:
    start, *_, last = learned()
    assert (start.step, last.step) == (0, 45)
    assert last.loss < np.log(10)  # of guessing a digit: it began with more


def test_a_run_that_was_broken_off_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    file = str(tmp_path / "run")
    assert learned("--save", file, records=5)[-1].step == 12
    resumed = learned("--save", file)
    assert resumed[0].step == 12
    assert tree.equal(resumed[-1], learned()[-1])


def test_the_program_ends_with_its_figure_and_goes_on_from_its_file(tmp_path: Path) -> None:
    call = "--steps", "3", "--seed", "1", "--save", "run", "--picture", "heads.svg"
    first, again = program(*call, folder=tmp_path), program(*call, folder=tmp_path)
    assert (first.returncode, first.stderr) == (again.returncode, again.stderr) == (0, "")
    assert re.fullmatch(r"accuracy 0\.\d{4} of 10000 unseen sums, \d+ s", first.stdout.splitlines()[-1])
    *steps, drawn, _ = first.stdout.splitlines()
    assert [line[:10] for line in steps] == [f"step     {i}" for i in range(4)]
    assert re.fullmatch(r"drawn in heads\.svg; the processor worked for \d+ s", drawn)
    assert again.stdout.splitlines()[:2] == ["going on after step 3, from run", steps[-1]]
    assert "</svg>" in (tmp_path / "heads.svg").read_text("utf-8")


def test_it_continues_a_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("to be or not to be, that is the question\n" * 40, "utf-8")
    call = "--text", str(tmp_path / "text"), "--prompt", "to be", "--steps", "2", "--temperature", "0"
    figure, draw = adder.continue_text(adder.read_options([*call, "--picture", str(tmp_path / "heads.png")]))
    assert re.fullmatch(r"loss \d\.\d{4} of 192 unseen characters", figure)
    lines = capsys.readouterr().out.splitlines()
    assert all("'to be" in line for line in lines)
    assert lines[0].startswith("step     0   loss      -   ")
    draw()
    assert is_picture(tmp_path / "heads.png")


def test_a_byte_order_mark_is_no_character(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("to be or not to be, that is the question\n" * 40, "utf-8-sig")
    assert adder.read_options(["--text", str(tmp_path / "text")]).text.startswith("to be")


def test_the_numbers_of_a_long_text_take_a_byte_each_and_little_time() -> None:
    letters = [chr(place) for place in range(200)]
    began = time.process_time()
    tokens = adder.in_numbers("".join(letters) * 10_000, letters)
    assert time.process_time() - began < 1  # 0.1 s, where a search in the list for each character takes 3 s
    assert tokens.dtype == np.uint8
    assert (tokens == np.tile(np.arange(200), 10_000)).all()


def test_the_loss_of_many_pieces_is_that_of_one_pass_in_a_part_of_its_memory() -> None:
    rng = np.random.default_rng(0)
    params = gpt.init(rng, 30, adder.LENGTH, adder.WIDTH, adder.BLOCKS)
    pieces = rng.integers(0, 30, (401, adder.LENGTH + 1))
    whole, (x, targets) = prediction(adder.network), adder.asked(pieces, 1)
    peaks = list[int]()
    losses = list[float]()
    for measure in (
        lambda: adder.held_out_loss(params, pieces),
        lambda: adder.loss.forward(whole(params, x), targets)[0],
    ):
        tracemalloc.start()
        losses.append(float(measure()))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    assert peaks[0] < peaks[1] / 2


def test_of_a_long_first_line_the_beginning_is_continued(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("abcde" * 300 + "\n", "utf-8")
    assert adder.read_options(["--text", str(tmp_path / "text")]).prompt == ("abcde" * 300)[: adder.LENGTH]


def test_of_a_longer_prompt_the_end_is_drawn_and_of_one_character_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("to be or not to be, that is the question\n" * 40, "utf-8")
    call = "--text", str(tmp_path / "text"), "--steps=1", f"--picture={tmp_path}/heads.png"
    long, short = (adder.read_options([*call, "--prompt", prompt]) for prompt in ("to be or not " * 6, "t"))
    adder.continue_text(long)[1]()
    (tmp_path / "heads.png").unlink()
    capsys.readouterr()
    adder.continue_text(short)[1]()
    assert capsys.readouterr().out.splitlines()[-1] == "no picture: it takes a prompt of two characters or more"
    assert not (tmp_path / "heads.png").exists()


def test_a_text_in_any_script_is_learned_and_drawn(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("天行健，\t君子以自强不息。" * 100, "utf-8")
    call = program("--text", "text", "--steps=1", "--picture=heads.svg", folder=tmp_path, PYTHONIOENCODING="ascii")
    assert call.returncode == 0, call.stderr
    assert r"\u5929\u884c\u5065" in call.stdout
    assert "\\t" in (tmp_path / "heads.svg").read_text("utf-8")


def test_a_reader_may_close_the_pipe(tmp_path: Path) -> None:
    call = [sys.executable, str(EXAMPLES / "adder.py"), "--steps=3"]
    with subprocess.Popen(call, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 141


def test_no_sum_is_shown_that_is_asked_for_in_either_order() -> None:
    shown, unseen = adder.train_and_test(np.random.default_rng(0), 192_000)
    assert len(np.unique(shown)) == 192_000
    assert len(np.unique(unseen)) == 10_000
    a, b = np.divmod(unseen, 1000)
    assert not np.isin(shown, [unseen, 1000 * b + a]).any()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--steps 0", "--steps must be positive"),
        ("--seed -1", "argument --seed: must be a whole number, 0 or more, got '-1'"),
        ("--steps many", "argument --steps: must be a whole number, 0 or more, got 'many'"),
        ("--steps 100001", "argument --steps: must be at most 100000, got '100001'"),
        ("--steps 7999", "--steps: there are no more than 98"),
        ("--picture adder.doc", "argument --picture: must end in .png, .svg or .pdf, got 'adder.doc'"),
        ("--picture no/adder.png", "argument --picture: must be a file in a folder that is there, got 'no/adder.png'"),
        ("--text nothing", "--text: [Errno 2] No such file or directory: 'nothing'"),
        ("--text short", "--text: 1280 characters are needed, and there are 15"),
        ("--text latin", "--text: latin is no text in UTF-8: 'utf-8' codec can't decode byte 0xe9 in position 0"),
        ("--text blank", "--prompt: the text has no line to begin with, so give one"),
        ("--prompt a", "--prompt goes with --text"),
        ("--prompt=", "--prompt goes with --text"),
        ("--temperature 1", "--temperature goes with --text"),
        ("--text long --temperature -1", "--temperature must not be negative, and not infinite"),
        ("--text long --prompt=", "--prompt must have a character or more"),
        ("--text long --prompt Dada", "--prompt: the text does not have 'D'"),
        ("--save no/run", "argument --save: must be a file in a folder that is there, got 'no/run'"),
        ("--save short", "load: short is damaged, or no safetensors file"),
        ("--save other --seed 5", "other is of --seed 0, not of 5"),
        ("--save other --steps 5", "other is of --steps 1000, not of 5"),
        ("--save other", "other is of another --text or program: it has learned from other data"),
        ("--save larger", "larger is of another --text or program: it holds other arrays"),
    ],
)
def test_bad_options_are_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("short").write_text("a text and a da", "utf-8")
    Path("long").write_text("a text and a da" * 100, "utf-8")
    Path("latin").write_bytes("é".encode("latin-1") * 2000)
    Path("blank").write_text(" \n" * 1000, "utf-8")
    if "other" in options:
        learned("--save", "other", records=1)
    if "larger" in options:
        learned("--save", "larger", records=1, length=12)
    with pytest.raises(SystemExit) as refused:
        adder.add(adder.read_options(options.split()))
    assert refused.value.code == 2
    assert f"error: {sentence}" in capsys.readouterr().err


def test_of_a_short_text_no_more_steps_are_taken_than_a_fortieth_of_its_characters(tmp_path: Path) -> None:
    steps = {2_000: 50, 39_999: 999, 80_000: 1000}
    for length, expected in steps.items():
        (tmp_path / "text").write_text("ab " * (length // 3) + "a" * (length % 3), "utf-8")
        assert adder.read_options(["--text", str(tmp_path / "text")]).steps == expected
        assert adder.read_options(["--text", str(tmp_path / "text"), "--steps", "7"]).steps == 7
    assert adder.read_options([]).steps == 1000
