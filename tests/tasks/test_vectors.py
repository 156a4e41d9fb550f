"""Runs of word vectors: trained, stopped, resumed, evaluated, asked, written and read again."""

from __future__ import annotations

import gzip
import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seqloom
from seqloom.data.tokenizer import UNK
from seqloom.formats.vector_sources import open_vectors
from seqloom.run.start import train
from seqloom.storage.tensors import read_tensors
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import Incomparable
from seqloom.training.checkpoint_folder import current_checkpoint
from tests.support.ranks import KINDS, write_neighbours
from tests.support.small_runs import rows, signal_after

pytestmark = pytest.mark.filterwarnings("ignore:many tokens of the text:UserWarning")
"""Small texts have many rare words."""

SMALL = {"dim": 20, "min_count": 2, "sample": 0, "learning_rate": 0.1}


def fitted(text: str, out: Path, model: str = "skipgram", resume: bool = False, **settings: Any) -> seqloom.Run:
    budget = {"epochs": settings.pop("epochs", 6)}
    return train("vectors", text, model=model, out=out, threads=1, quiet=True, resume=resume,
                 settings={**SMALL, **settings}, **budget)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    folder = tmp_path_factory.mktemp("vectors")
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        patch.setenv("SEQLOOM_CACHE", str(folder / "cache"))
        own = {"model.subwords.longest": 4, "model.subwords.buckets": 1_000}
        return fitted(write_neighbours(folder / "text.txt"), folder / "run", epochs=12, **own)


@pytest.fixture(scope="module")
def vectors(run: seqloom.Run) -> seqloom.Vectors:
    return seqloom.Vectors.open(run.folder)


def test_words_of_a_kind_are_near(vectors: seqloom.Vectors) -> None:
    assert {near.word for near in vectors.similar("king", 4)} <= set(KINDS["royal"])
    assert vectors.doesnt_match(["whale", "ship", "bread", "sailor"]) == "bread"
    assert vectors.similarity("king", "queen") > vectors.similarity("king", "soup")
    assert "once3" not in vectors
    assert vectors.similar("whales", 1)[0].word in KINDS["sea"], "made from its letters"
    found = [near.word for near in vectors.analogy(["king", "ship"], ["queen"], 3)]
    assert not {"king", "ship", "queen"} & set(found)
    with pytest.raises(seqloom.RequestError, match="there is no word named"):
        seqloom.Vectors(vectors.words, vectors.matrix).vector("kingg")


def test_many_are_asked_at_once(vectors: seqloom.Vectors) -> None:
    units = vectors.matrix / np.linalg.norm(vectors.matrix, axis=1, keepdims=True)
    wanted = np.argsort(-(units @ units.T), axis=1, kind="stable")[:, :5]
    places, cosines = vectors.nearest(np.array(vectors.matrix), 5)
    np.testing.assert_array_equal(np.sort(places[:, :3]), np.sort(wanted[:, :3]))
    np.testing.assert_allclose(cosines[:, 0], 1, rtol=1e-5)
    places, _ = vectors.nearest(np.array(vectors.matrix), 5, most_words=7)
    assert set(places.ravel().tolist()) <= set(vectors.frequent(7).tolist())


def test_the_run_is_one_like_any_other(run: seqloom.Run, tmp_path: Path) -> None:
    summary = run.summary
    assert summary["finished"]
    assert summary["score"] == "nats_per_pair"
    lines = rows(run.folder)
    assert lines[0]["valid_nats_per_pair"] > summary["valid"]["nats_per_pair"] > 0
    assert lines[-1]["train_loss"] < lines[0]["train_loss"]
    again = seqloom.load(run.folder)
    assert again.num_parameters() == summary["parameters"]
    other = write_neighbours(tmp_path / "other.txt", lines=30)
    assert again.evaluate(other) == again.evaluate(other)
    embedded = again.embed(["king queen", "nothing"])
    assert embedded.shape == (2, 20)
    assert not embedded[1].any()
    np.testing.assert_allclose(embedded[0], seqloom.Vectors.open(run.folder).sentence(["king queen"])[0], rtol=1e-5)


def test_losses_of_different_questions_are_no_contest() -> None:
    task = tasks["vectors"]
    assert isinstance(task, Incomparable)
    assert "cbow" in task.apart(["cbow", "skipgram"])
    assert not task.apart(["cbow"])


def test_sentences(vectors: seqloom.Vectors) -> None:
    lines = ["the king and the queen", "the whale of the ship", "the bread and the butter", "the soup of the cheese"]
    means, sums, rare = (vectors.sentence(lines, how) for how in ("mean", "sum", "sif"))  # type: ignore[arg-type]
    np.testing.assert_allclose(sums, 5 * means, rtol=1e-5)
    units = rare / np.linalg.norm(rare, axis=1, keepdims=True)
    assert units[2] @ units[3] > units[2] @ units[1]
    with pytest.raises(seqloom.RequestError, match="frequency"):
        seqloom.Vectors(vectors.words, vectors.matrix).sentence(lines, "sif")


def test_evaluated_on_files(vectors: seqloom.Vectors, tmp_path: Path) -> None:
    pairs = [("king", "queen", 9), ("King", "soup", 1), ("ship", "whale", 8), ("ship", "honey", 2), ("???", "ship", 3)]
    (tmp_path / "rated.tsv").write_text("".join(f"{a}\t{b}\t{score}\n" for a, b, score in pairs))
    rated = seqloom.Vectors(vectors.words, vectors.matrix).evaluate_similarity(str(tmp_path / "rated.tsv"))
    assert (rated.pairs, rated.skipped) == (4, 1)
    assert rated.spearman > 0.5
    (tmp_path / "asked.txt").write_text(": one\nking queen ship whale\nking queen bread nowhere\n: two\na b c d\n")
    scores = vectors.evaluate_analogies(str(tmp_path / "asked.txt"))
    assert (scores.total.questions, scores.total.skipped) == (1, 2)
    assert scores.sections["two"].questions == 0
    assert 0 <= scores.total.low <= scores.total.accuracy <= scores.total.high <= 1
    (tmp_path / "asked.txt").write_text("king queen ship\n")
    with pytest.raises(seqloom.SeqloomError, match="four words"):
        vectors.evaluate_analogies(str(tmp_path / "asked.txt"))


@pytest.mark.parametrize("name", ["made.txt", "made.vec", "made.bin"])
def test_files_hold_every_bit(name: str, vectors: seqloom.Vectors, tmp_path: Path) -> None:
    odd = np.array(vectors.matrix)
    odd[0] = np.float32([0.1, -0.0, 1e-42, 3.4e38, 1 / 3] * 4)
    table = seqloom.Vectors(vectors.words, odd)
    assert table.save(tmp_path / name) == len(table)
    again = seqloom.Vectors.open(tmp_path / name)
    assert list(again.words) == list(table.words)
    np.testing.assert_array_equal(again.matrix.view(np.uint32), odd.view(np.uint32))
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    np.testing.assert_array_equal(seqloom.Vectors.open(packed).matrix, again.matrix)


@pytest.mark.parametrize("binary", [False, True])
def test_gensim_reads_and_writes_the_same(binary: bool, vectors: seqloom.Vectors, tmp_path: Path) -> None:
    models = pytest.importorskip("gensim.models", reason="gensim is not installed")
    name = f"made.{'bin' if binary else 'txt'}"
    vectors.save(tmp_path / name)
    theirs = models.KeyedVectors.load_word2vec_format(str(tmp_path / name), binary=binary)
    ours = vectors.matrix[vectors.frequent()]
    np.testing.assert_array_equal(theirs.vectors.view(np.uint32), ours.view(np.uint32))
    theirs.save_word2vec_format(str(tmp_path / f"again-{name}"), binary=binary)
    again = open_vectors(tmp_path / f"again-{name}")
    np.testing.assert_array_equal(again.matrix.view(np.uint32), ours.view(np.uint32))
    assert list(again.words) == list(theirs.index_to_key)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("2 2\na 1 2\n", "incomplete"),
        ("2 2\na 1 2\nb 1\n", "broken.txt:3"),
        ("a 1 2\nb 1 x\n", "is not a number"),
        ("", "has no vectors"),
        ("a\n", "broken.txt:1"),
    ],
)
def test_broken_text_files(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "broken.txt").write_text(content)
    with pytest.raises(seqloom.SeqloomError) as caught:
        seqloom.Vectors.open(tmp_path / "broken.txt")
    assert says in str(caught.value)


@pytest.mark.parametrize("content", [b"1 2\na 12345678"[:-3], b"word", b"1 2\n\xff 12345678", b"1 1\n" + b"x" * 70_000])
def test_broken_binary_files(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.bin").write_bytes(content)
    with pytest.raises(seqloom.SeqloomError):
        seqloom.Vectors.open(tmp_path / "broken.bin")


def state(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint = current_checkpoint(folder / "training")
    assert checkpoint is not None
    return read_tensors(checkpoint / "model.safetensors")


@pytest.mark.parametrize("settings", [{}, {"deterministic": True, "model.objective": "hierarchical-softmax"}])
def test_stopped_and_resumed_is_unbroken(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = write_neighbours(tmp_path / "text.txt", lines=300)
    fitted(text, tmp_path / "whole", epochs=3, **settings)
    with monkeypatch.context() as patch:
        signal_after(patch, 4, signal.SIGINT)
        stopped = fitted(text, tmp_path / "stopped", epochs=3, **settings)
    assert not stopped.summary["finished"]
    assert seqloom.load(tmp_path / "stopped").evaluate(text)["nats_per_pair"] > 0
    # As if killed in the middle of writing: what lies beside the last checkpoint does not count.
    (tmp_path / "stopped" / "training" / "update-000000099").mkdir()
    assert fitted(text, tmp_path / "stopped", epochs=3, resume=True, **settings).summary["finished"]
    for read in (lambda folder: read_tensors(folder / "model.safetensors"), state):
        one, other = read(tmp_path / "whole"), read(tmp_path / "stopped")
        assert not [name for name in one | other if not torch.equal(one[name], other[name])]
    assert rows(tmp_path / "whole") == rows(tmp_path / "stopped")


def test_no_gain_stops_and_the_best_is_kept(tmp_path: Path) -> None:
    """Far too many numbers for so small a text: it is learnt by heart."""
    text = write_neighbours(tmp_path / "text.txt", lines=120)
    run = fitted(text, tmp_path / "run", epochs=400, **{"dim": 100, "learning_rate": 0.2, "passes.patience": 2})
    losses = [row["valid_nats_per_pair"] for row in rows(run.folder)]
    assert len(losses) < 400
    assert run.summary["finished"]
    assert min(losses) == losses[-3]
    assert run.evaluate(run.read(text)) is not None
    best = run.summary["valid"]["nats_per_pair"]
    assert best == pytest.approx(min(losses), rel=1e-5)


def test_minutes_are_kept(tmp_path: Path) -> None:
    text = write_neighbours(tmp_path / "text.txt", lines=100)
    run = train(
        "vectors", text, model="cbow", minutes=0.005, out=tmp_path / "run", threads=1, quiet=True, settings=SMALL
    )
    assert run.summary["seconds"] < 30
    assert run.summary["finished"]
    assert json.loads((run.folder / "metrics.jsonl").read_text().splitlines()[-1])["updates"] == run.summary["updates"]
    assert run.plan.settings.model.learning_rate == 0.1


def test_no_frequent_word(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("".join(f"word{i} other{i}\n" for i in range(60)))
    with pytest.raises(seqloom.SeqloomError, match="frequent enough"):
        fitted(str(tmp_path / "text.txt"), tmp_path / "run")


@pytest.mark.parametrize("task", ["language-model", "classify", "translate", "tag"])
def test_vectors_begin_the_embedding_of_other_models(
    task: str, vectors: seqloom.Vectors, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a learning rate of nothing to speak of, the embedding stays what it began as; and it is given out again."""
    lines = Path(write_neighbours(tmp_path / "lines.txt", lines=80)).read_text(encoding="utf-8").splitlines()
    text, models = tmp_path / "text.txt", {"classify": "ffnn", "translate": "gru", "tag": "bilstm"}
    if task == "tag":
        text.write_text("\n".join("".join(f"{word}\t{word[0]}\n" for word in line.split()) for line in lines) + "\n")
    else:
        form = {"classify": "{n}\t{line}\n", "translate": "{line}\tx y\n"}.get(task, "{line}\n")
        text.write_text("".join(form.format(n="odd" if n % 2 else "even", line=line) for n, line in enumerate(lines)))
    vectors.save(tmp_path / "words.txt")
    source = tmp_path / "words.txt" if task == "tag" else vectors_folder(vectors, tmp_path)
    group = "words" if task == "tag" else "embedding"
    own = {"tokenizer.shared": False} if task == "translate" else {}
    run = train(
        *(task, str(text)), model=models.get(task, "gru"), updates=1, out=tmp_path / "run", threads=1, quiet=True,
        settings={**own, f"{group}.from": str(source), "training.learning_rate": 1e-9},
    )  # fmt: skip
    assert "tokens have vectors in" in capsys.readouterr().err
    given = seqloom.Vectors.open(run.folder)
    assert given.dim == vectors.dim
    rows = [given.unit(word) @ vectors.unit(word) for word in ("king", "ship", "honey")]
    np.testing.assert_allclose(rows, 1, rtol=1e-4)
    assert seqloom.load(run.folder).plan == run.plan


def test_a_classifier_knows_the_words_of_its_vectors(vectors: seqloom.Vectors, tmp_path: Path) -> None:
    """What training never saw is read by the vector that it has; and the run needs no file of vectors any more."""
    known = [word for word in vectors.words if word.isalpha() and word.islower()]
    seen, unseen = known[::2], known[1::2]
    text, source = tmp_path / "text.tsv", tmp_path / "words.bin"
    lines = [f"{('even', 'odd')[n % 2]}\t{seen[n % len(seen)]} {seen[7 * n % len(seen)]} {n}\n" for n in range(160)]
    text.write_text("".join(lines))
    vectors.save(source)
    run = train("classify", str(text), model="ffnn", updates=2, out=tmp_path / "run", threads=1, quiet=True,
                settings={"embedding.from": str(source), "embedding.dim": 5})  # fmt: skip
    read, tokens = run.model.encoder.read, run.codec.tokenizer.tokens()
    ids = run.codec.tokenizer.encode([" ".join([*unseen, "unheardof"])])[0]
    assert UNK not in ids[:-1]
    assert ids[-1] == UNK
    joined = read(torch.tensor([ids]))[0].numpy(force=True)
    assert joined.shape[1] == 5 + vectors.dim
    np.testing.assert_array_equal(joined[:-1, :5], joined[-1:, :5].repeat(len(unseen), 0))  # all learnt as <unk>
    given = np.stack([vectors.unit(word) for word in unseen])
    np.testing.assert_allclose((joined[:-1, 5:] * given).sum(1), np.linalg.norm(joined[:-1, 5:], axis=1), rtol=1e-4)
    assert not joined[-1, 5:].any()
    assert len(set(tokens)) == len(tokens)
    assert not {name for name, _ in run.model.named_parameters() if "known" in name}
    source.unlink()
    again = seqloom.load(run.folder, threads=1)
    assert list(again.answers(unseen)) == list(run.answers(unseen))
    assert again.evaluate(str(text)) == run.evaluate(str(text))


def vectors_folder(vectors: seqloom.Vectors, folder: Path) -> Path:
    """The vectors as a file of the other kind."""
    vectors.save(folder / "words.bin")
    return folder / "words.bin"


def test_vectors_that_do_not_fit(vectors: seqloom.Vectors, tmp_path: Path) -> None:
    vectors.save(tmp_path / "words.bin")
    (tmp_path / "text.txt").write_text("x y z\n" * 40 + "".join(f"x {n}\n" for n in range(99)))
    asked = {"embedding.from": str(tmp_path / "words.bin")}
    for settings, says in ((asked, "no token has"), ({**asked, "embedding.dim": 7}, "another dimension")):
        with pytest.raises(seqloom.RequestError, match=says):
            train("language-model", str(tmp_path / "text.txt"), model="gru", updates=1, out=tmp_path / "run",
                  quiet=True, settings=settings)  # fmt: skip
