"""The Python interface: train, evaluate, score, generate, save, load; what a run folder may be."""

from __future__ import annotations

import gzip
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import seqloom
from seqloom.data.tokenizer import EOS, PAD, SOS, UNK
from tests.support.small_runs import shared_run, train_small

LINES = ["w1 w4 w13", "", "w2", "   ", "w5 w16 nowhere w17 w20", "w1"]


@pytest.fixture(autouse=True)
def _denormal_numbers() -> Any:
    yield
    torch.set_flush_denormal(False)


@pytest.fixture(scope="module")
def of_lines(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_run(tmp_path_factory, data__mode="lines", updates=40)


@pytest.fixture(scope="module")
def of_stream(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_run(tmp_path_factory, updates=40)


@pytest.fixture(scope="module")
def of_bytes(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    """Byte-pair tokens over a text of many characters of several bytes."""
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "text.txt").write_text("naïve façade – 東京 🙂 Ångström\nœuvre 京都 🙃 straße\n" * 30, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        patch.setenv("SEQLOOM_CACHE", str(folder / "cache"))
        own = {"tokenizer__kind": "bpe", "tokenizer__vocab_size": 262}
        (folder / "valid.txt").write_text("naïve 東京\n", encoding="utf-8")
        dotted = {name.replace("__", "."): value for name, value in own.items()}
        sizes = {"model.hidden_size": 8, "embedding.dim": 8, "training.evaluations": 1}
        text, valid = str(folder / "text.txt"), str(folder / "valid.txt")
        return seqloom.train(
            "language-model",
            text,
            model="gru",
            valid=valid,
            updates=3,
            out=folder / "run",
            quiet=True,
            settings={**sizes, **dotted},
        )


def write(path: Path, lines: list[str]) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_evaluating_lines_is_scoring_them(of_lines: seqloom.Run, tmp_path: Path) -> None:
    lines = [line for line in (of_lines.folder.parent / "text.txt").read_text().splitlines() if line][:40]
    scores = of_lines.score(lines)
    metrics = of_lines.evaluate(write(tmp_path / "more.txt", lines))
    nats, tokens = -sum(score.log_prob for score in scores), sum(score.tokens for score in scores)
    assert metrics["tokens"] == tokens
    assert metrics["unknown"] == sum(score.unknown for score in scores)
    assert metrics["perplexity"] == pytest.approx(math.exp(nats / tokens), rel=1e-5)
    assert metrics["bits_per_token"] == pytest.approx(nats / tokens / math.log(2), rel=1e-5)
    assert metrics["bits_per_byte"] == pytest.approx(
        nats / math.log(2) / sum(len(line.encode()) + 1 for line in lines), rel=1e-5
    )


def test_scores_keep_the_order_and_blank_lines(of_lines: seqloom.Run) -> None:
    together = of_lines.score(LINES)
    assert [score.tokens for score in together] == [4, 1, 2, 1, 6, 2]
    assert [score.unknown for score in together] == [0, 0, 0, 0, 1, 0]
    for line, score in zip(LINES, together, strict=True):
        (alone,) = of_lines.score([line])
        assert alone.log_prob == pytest.approx(score.log_prob, rel=1e-5)
        assert score.log_prob < 0


def test_a_stream_is_scored_the_same_in_any_number_of_rows(of_stream: seqloom.Run, tmp_path: Path) -> None:
    text = str(of_stream.folder.parent / "text.txt")
    scores = []
    for batch_size in (1, 2, 7):
        folder = tmp_path / f"rows-{batch_size}"
        shutil.copytree(of_stream.folder, folder)
        config = (folder / "config.toml").read_text()
        assert "batch_size = 4" in config
        (folder / "config.toml").write_text(config.replace("batch_size = 4", f"batch_size = {batch_size}"))
        metrics = seqloom.load(folder).evaluate(text)
        scores.append(metrics["perplexity"])
        assert metrics["tokens"] == seqloom.load(of_stream.folder).evaluate(text)["tokens"]
    assert scores == pytest.approx([scores[0]] * 3, rel=1e-3)


def test_compressed_text_is_the_text(of_stream: seqloom.Run, tmp_path: Path) -> None:
    plain = write(tmp_path / "more.txt", LINES)
    (tmp_path / "more.txt.gz").write_bytes(gzip.compress(Path(plain).read_bytes()))
    assert of_stream.evaluate(plain) == of_stream.evaluate(plain + ".gz")


def test_nothing_to_evaluate(of_stream: seqloom.Run, tmp_path: Path) -> None:
    (tmp_path / "blank.txt").write_text("\n  \n")
    with pytest.raises(seqloom.SeqloomError, match="nothing to evaluate on"):
        of_stream.evaluate(str(tmp_path / "blank.txt"))


def pieces(run: seqloom.Run, prompt: str = "", **options: Any) -> list[str]:
    return list(run.generate(prompt, **{"temperature": 1.0, **options}))


def test_greedy_top_1_and_tiny_top_p_are_one(of_stream: seqloom.Run) -> None:
    greedy = pieces(of_stream, "w1 w4", temperature=0, max_tokens=30)
    assert greedy == pieces(of_stream, "w1 w4", temperature=0, max_tokens=30, seed=9)
    assert greedy == pieces(of_stream, "w1 w4", top_k=1, max_tokens=30)
    assert greedy == pieces(of_stream, "w1 w4", top_p=1e-9, max_tokens=30)


def test_a_seed_is_reproducible(of_stream: seqloom.Run) -> None:
    draws = [pieces(of_stream, max_tokens=40, temperature=1.5, seed=seed) for seed in (3, 3, 4)]
    assert draws[0] == draws[1] != draws[2]


def test_specials_are_not_drawn_and_tokens_are_counted(of_stream: seqloom.Run) -> None:
    text = pieces(of_stream, max_tokens=200, temperature=30.0)
    assert len(text) == 200
    assert not any(special in "".join(text) for special in ("<pad>", "<sos>", "<unk>", "<eos>"))


def test_a_model_of_lines_ends_with_the_line(of_lines: seqloom.Run) -> None:
    texts = ["".join(pieces(of_lines, max_tokens=500, seed=seed, temperature=2.0)) for seed in range(5)]
    assert all("\n" not in text for text in texts)
    assert any(len(text.split()) < 100 for text in texts)


def test_words_stand_apart(of_stream: seqloom.Run) -> None:
    text = "w1" + "".join(pieces(of_stream, "w1", max_tokens=50, temperature=3.0))
    known = set(of_stream.codec.tokenizer.tokens())
    assert all(word in known for line in text.splitlines() for word in line.split(" "))


def test_a_prompt_of_several_lines_ends_them(of_stream: seqloom.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[int]] = []

    def record(_: object, prompt: list[int], *__: object, **___: object) -> Any:
        given.append(prompt)
        return iter(())

    monkeypatch.setattr("seqloom.decoding.continuation.generate", record)
    for prompt in ("", "w1", "w1 w2\nw4", "w1\n"):
        list(of_stream.generate(prompt))
    one, two, four = (of_stream.codec.tokenizer.encode([word])[0][0] for word in ("w1", "w2", "w4"))
    assert given == [[EOS], [EOS, one], [EOS, one, two, EOS, four], [EOS, one, EOS]]


def test_pieces_join_to_the_text(of_bytes: seqloom.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("naïve – 東京🙂", "🙂🙃", "ß", "plain"):
        ids = of_bytes.codec.tokenizer.encode([text])[0]
        monkeypatch.setattr("seqloom.decoding.continuation.generate", lambda *_, ids=ids, **__: iter([*ids, EOS, *ids]))
        shown = list(of_bytes.generate())
        assert "".join(shown) == f"{text}\n{text}"
        assert not any("\ufffd" in piece for piece in shown)
        # Cut in the middle of a character, what is whole is shown.
        for cut in range(len(ids)):
            assert text.startswith("".join(of_bytes.generate(max_tokens=cut)))


def test_bytes_of_any_kind_are_text(of_bytes: seqloom.Run) -> None:
    text = "".join(pieces(of_bytes, max_tokens=400, temperature=50.0))
    text.encode("utf-8")
    assert text


@pytest.mark.parametrize("unknown", [False, True])
def test_unknown_is_drawn_only_where_allowed(
    unknown: bool, of_stream: seqloom.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[int]] = []
    monkeypatch.setattr(
        "seqloom.decoding.continuation.generate", lambda *_, never, **__: seen.append(never) or iter(())
    )
    list(of_stream.generate(unknown=unknown))
    assert seen == [[PAD, SOS] if unknown else [PAD, SOS, UNK]]


def test_saved_and_loaded_is_the_same(of_lines: seqloom.Run, tmp_path: Path) -> None:
    of_lines.save(tmp_path / "saved")
    loaded = seqloom.load(tmp_path / "saved")
    assert loaded.score(LINES) == of_lines.score(LINES)
    assert loaded.summary == of_lines.summary
    assert loaded.num_parameters() == of_lines.num_parameters()
    assert pieces(loaded, temperature=1.0) == pieces(of_lines, temperature=1.0)
    assert not (tmp_path / "saved" / "training").exists()
    with pytest.raises(seqloom.RequestError, match="not empty"):
        of_lines.save(tmp_path / "saved")


def test_training_twice_gives_the_same_model(tmp_path: Path) -> None:
    scores = [train_small(tmp_path / name, model="gru").score(["w1 w4"]) for name in ("one", "two")]
    assert scores[0] == scores[1]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("config.toml", "format = [", "not TOML"),
        ("config.toml", "format = 99", "another version"),
        ("config.toml", 'format = 1\ntask = "language-model"\nmodel = "lstm"', "configuration is damaged"),
        ("config.toml", 'format = 1\ntask = "no-such-task"\nmodel = "lstm"', "no task named"),
        ("tokenizer.json", "{}", "tokenizer could not be read"),
        ("model.safetensors", "not tensors", "saved tensors could not be read"),
        ("model.safetensors", None, "no model yet"),
        ("config.toml", None, "the folder holds no run"),
    ],
)
def test_damaged_runs_are_refused(
    name: str, content: str | None, what: str, of_lines: seqloom.Run, tmp_path: Path
) -> None:
    of_lines.save(tmp_path / "run")
    (tmp_path / "run" / name).unlink()
    if content is not None:
        (tmp_path / "run" / name).write_text(content)
    with pytest.raises(seqloom.SeqloomError, match=what) as refused:
        seqloom.load(tmp_path / "run")
    assert str(tmp_path / "run") in str(refused.value) or "no-such-task" in str(refused.value)


def test_weights_of_another_network_are_refused(of_lines: seqloom.Run, of_bytes: seqloom.Run, tmp_path: Path) -> None:
    of_lines.save(tmp_path / "run")
    shutil.copy(of_bytes.folder / "model.safetensors", tmp_path / "run" / "model.safetensors")
    with pytest.raises(seqloom.SeqloomError, match=r"different network|different shape"):
        seqloom.load(tmp_path / "run")
    (tmp_path / "run" / "model.safetensors").write_bytes((of_lines.folder / "model.safetensors").read_bytes()[:-1000])
    with pytest.raises(seqloom.SeqloomError, match="saved tensors could not be read"):
        seqloom.load(tmp_path / "run")
