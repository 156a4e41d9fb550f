"""Every kind of run leaves as a folder that gives the same answers without torch, or says why it cannot leave."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seqloom
import seqloom_portable
from seqloom.decoding.sampling import Sampling, generate
from seqloom.errors import RequestError, SeqloomError
from seqloom.export import exporters
from seqloom.export.onnx.gate import Gate, ParityError
from seqloom.export.options import ExportOptions
from seqloom.formats.onnx import language_model
from seqloom.formats.onnx.builders import transformer
from seqloom.formats.onnx.graph import Graph, Value
from seqloom.models.language_model import LanguageModel
from seqloom.nn.embedding import EmbeddingSettings
from seqloom.nn.layer import SequenceLayer, layers, state_tensors
from seqloom.nn.output import OutputSettings
from seqloom_portable.errors import PortableError
from seqloom_portable.folder import Folder
from tests.contract.test_commands import algorithm, ngram, vectors
from tests.contract.test_commands import language_model as train_language_model
from tests.support.command_line import CommandLine
from tests.support.labelled import train_labelled, write_series
from tests.support.pairs import train_pairs
from tests.support.ranks import write_neighbours
from tests.support.sentences import train_tagger, write_sentences
from tests.support.small_runs import train_small
from tests.support.small_tasks import SMALL_TASKS
from tests.support.tagged_numbers import train_levels, write_levels
from tests.support.texts import write_text
from tests.support.vectors_with_texts import write_scenes

LINES = ["the cat sat", "a b c", "w1 <sos> w2 <pad>", "the zebra", "a"]


def mixture(folder: Path) -> seqloom.Run:
    (folder / "ngram").mkdir()
    (folder / "lstm").mkdir()
    ngram(folder / "ngram")
    lstm = train_small(folder / "lstm" / "run", updates=2, data__mode="lines", tokenizer__min_count=1)
    parts = f"{folder / 'ngram' / 'run'},{lstm.folder}"
    text = str(folder / "ngram" / "text.txt")
    return seqloom.train(
        "language-model", text, model="mix", out=folder / "run", threads=1, quiet=True, settings={"model.parts": parts}
    )


def train_describer(folder: Path, model: str) -> seqloom.Run:
    data = write_scenes(folder / "scenes")
    return SMALL_TASKS["describe"]._replace(model=model).train("describe", data, folder / "run")


RUNS: dict[str, Callable[[Path], seqloom.Run]] = {
    "language-model lstm": train_language_model("lstm"),
    "language-model transformer": train_language_model("transformer"),
    "language-model lines": lambda folder: train_small(folder / "run", model="gru", updates=2, data__mode="lines"),
    "language-model characters": lambda folder: train_small(
        folder / "run", model="mingru", updates=2, tokenizer__kind="character"
    ),
    "language-model bpe": lambda folder: train_small(
        folder / "run", model="nnlm", updates=2, tokenizer__kind="bpe", tokenizer__vocab_size=300
    ),
    "ngram": ngram,
    "vectors": vectors,
    "translate transformer": lambda folder: train_pairs(folder / "run", model="transformer", updates=2),
    "translate attention": lambda folder: train_pairs(folder / "run", model="lstm+attention", updates=2),
    "translate context": lambda folder: train_pairs(folder / "run", model="gru", updates=2),
    "classify text": lambda folder: train_labelled(folder / "run", updates=2),
    "classify bow": lambda folder: train_labelled(folder / "run", model="bow", updates=2),
    "classify series": lambda folder: train_labelled(
        folder / "run", updates=2, data=write_series(folder / "series.ts"), embedding__dim=6
    ),
    "describe": lambda folder: train_describer(folder, "gru+attention"),
    "describe context": lambda folder: train_describer(folder, "bigru"),
    "tag": lambda folder: train_tagger(folder / "run", updates=4),
    "tag forward": lambda folder: train_tagger(folder / "run", model="lstm", updates=4),
    "tag series": lambda folder: train_levels(folder / "run", data=write_levels(folder / "series.csv"), updates=4),
    "tag series forward": lambda folder: train_levels(
        folder / "run", data=write_levels(folder / "series.csv"), model="gru", output="crf", updates=4
    ),
    "algorithm": algorithm,
}


@pytest.fixture(params=RUNS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> seqloom.Run:
    return RUNS[request.param](tmp_path)


def exported(run: seqloom.Run, folder: Path, **options: Any) -> Any:
    exporters["onnx"](run, folder, ExportOptions(**options))
    return seqloom_portable.load(folder)


def test_a_folder_answers_like_its_run(run: seqloom.Run, tmp_path: Path) -> None:
    model = exported(run, tmp_path / "out")
    parity = json.loads((tmp_path / "out" / "parity.json").read_text())
    assert parity["largest_difference"] <= 2e-5
    assert parity["answers"]["identical"] + parity["answers"]["ties"] == parity["answers"]["lines"]
    assert Folder(tmp_path / "out").task == run.plan.task
    task = run.plan.task
    if task == "language-model":
        for ours, theirs in zip(model.score(LINES), run.score(LINES), strict=True):
            assert ours.log_prob == pytest.approx(theirs.log_prob, abs=1e-4)
            assert ours[1:] == theirs[1:]
        expected = "".join(run.generate("a b", max_tokens=8, temperature=0.0))
        assert "".join(model.generate("a b", max_tokens=8, temperature=0.0)) == expected
        drawn = "".join(run.generate("a b", max_tokens=8, temperature=0.8, top_k=20, top_p=0.9, seed=3))
        assert "".join(model.generate("a b", max_tokens=8, temperature=0.8, top_k=20, top_p=0.9, seed=3)) == drawn
    elif task == "translate":
        for options in ({}, {"n_best": 3}, {"beam_size": 1}, {"prefix": "a"}, {"beam_size": 4, "length_penalty": 0.5}):
            got, wanted = model.answers(LINES, **options), run.answers(LINES, **options)
            for ours, theirs in zip(got, wanted, strict=True):
                assert [one.text for one in ours] == [one.text for one in theirs]
                assert [one.score for one in ours] == pytest.approx([one.score for one in theirs], abs=1e-4)
        pairs = [(line, line[::-1]) for line in LINES]
        expected_scores = [score.log_prob for score in run.score(pairs)]
        assert [score.log_prob for score in model.score(pairs)] == pytest.approx(expected_scores, abs=1e-4)
    elif task == "describe":
        vectors = list(run.inputs(run.plan.sources.data))[:20]
        for options in ({}, {"n_best": 3}, {"beam_size": 1, "max_length": 3}):
            got, wanted = model.answers(vectors, **options), run.answers(vectors, attention=True, **options)
            for ours, theirs in zip(got, wanted, strict=True):
                assert [answer.text for answer in ours] == [answer.text for answer in theirs]
                assert [answer.score for answer in ours] == pytest.approx([a.score for a in theirs], abs=1e-4)
                if run.plan.model.endswith("attention"):
                    assert ours[0].attention == pytest.approx(theirs[0].alignment.matrix(), abs=1e-4)
        assert model.embed(vectors) == pytest.approx(run.embed(vectors), abs=1e-4)
    elif task in ("classify", "tag"):
        inputs = list(run.inputs(run.plan.sources.data))[:20] if "series" in run.plan.sources.data else [*LINES, ""]
        assert model.predict(inputs) == run.predict(inputs)


def test_greedy_text_needs_no_rare_tokens() -> None:
    """Clusters of an adaptive softmax are left out where they cannot win; what is written stays the same."""
    counts = 3_000 // np.arange(1, 101)
    for seed in range(5):
        torch.manual_seed(seed)
        settings: Any = layers["gru"].settings(hidden_size=8)
        output = OutputSettings(kind="adaptive")
        model = LanguageModel.build(layers["gru"], settings, EmbeddingSettings(dim=7), output, counts).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.8 * torch.randn_like(parameter))
        greedy = generate(model, [2, 9], Sampling(temperature=0.0), never=[0, 1, 2], seed=1)
        written = list(itertools.islice(greedy, 20))
        state, ids = model.initial_state(1), [2, 9]
        for token in written:
            log_probs, state = model.next_log_probs(torch.tensor([ids]), state)
            log_probs[0, :3] = -torch.inf
            assert token == int(log_probs[0].argmax())
            ids = [token]


def test_vectors_of_texts_are_those_of_the_run(run: seqloom.Run, tmp_path: Path) -> None:
    if run.plan.task in ("algorithm", "vectors") or run.plan.model in ("bow", "ngram"):
        pytest.skip("has no vectors of texts")
    model = exported(run, tmp_path / "out")
    reads_numbers = "series" in run.plan.sources.data or run.plan.task == "describe"
    inputs = list(run.inputs(run.plan.sources.data))[:6] if reads_numbers else [*LINES, ""]
    for pooling in ("auto", "mean", "max", "last", "word-mean", "word-sum"):
        np.testing.assert_allclose(model.embed(inputs, pooling), run.embed(inputs, pooling), atol=2e-5)


def test_words_are_tagged_one_by_one(tmp_path: Path) -> None:
    run = RUNS["tag forward"](tmp_path)
    model = exported(run, tmp_path / "out")
    ours, theirs = model.online(), run.online()
    for word in ["Then", "Ada", "Stone", "went", "to", "Paris", "City", "12", "times", "."]:
        assert ours(word) == theirs(word)


def test_steps_are_tagged_one_by_one(tmp_path: Path) -> None:
    run = RUNS["tag series forward"](tmp_path)
    model = exported(run, tmp_path / "out")
    for sequence in list(run.inputs(run.plan.sources.data))[:3]:
        ours, theirs = model.online(), run.online()
        for step in sequence:
            assert ours(step) == theirs(",".join(map(str, step.tolist())))


def test_the_command_tags_steps_as_the_run_does(tmp_path: Path, portable_command: CommandLine) -> None:
    run = RUNS["tag series"](tmp_path)
    exported(run, tmp_path / "out")
    sequences = list(run.inputs(run.plan.sources.data))[:3]
    steps = "\n\n".join("\n".join(" ".join(map(str, step)) for step in numbers.tolist()) for numbers in sequences)
    written = portable_command(tmp_path / "out", "predict", standard_input=steps + "\n")
    assert written.output == "".join(f"{tags}\n" for tags in run.predict(sequences))


def test_steps_that_do_not_fit_are_named(tmp_path: Path) -> None:
    model = exported(RUNS["tag series"](tmp_path), tmp_path / "out")
    cases: list[tuple[Any, str]] = [
        ([[1.0, 2.0, 3.0]], r"\(1, 3\); expected \(steps, 2\)"), ([], "expected"), ([[1.0, float("nan")]], "NaN"),
        (["a b"], "numbers each"), ([[1.0], [1.0, 2.0]], "numbers each"), ([[1e300, 0.0]], "too large"),
    ]  # fmt: skip
    for sequence, what in cases:
        with pytest.raises(seqloom_portable.PortableError, match=f"input 2 .*{what}"):
            model.predict([[[0.0, 1.0]], sequence])
    with pytest.raises(seqloom_portable.PortableError, match="whole sequence"):
        model.online()


def test_spans_of_another_scheme_leave_with_the_tagger(tmp_path: Path) -> None:
    data = Path(write_sentences(tmp_path / "sentences.conll"))
    data.write_text(re.sub(r" ([BI])-(\w+)", r" \2_\1", data.read_text(encoding="utf-8")), encoding="utf-8")
    run = train_tagger(tmp_path / "run", updates=30)
    line = "Then Ada Stone went to Paris City ."
    (ours,), ((theirs,),) = exported(run, tmp_path / "out").answers([line]), run.answers([line])
    assert ours.spans
    assert ours.to_json()["spans"] == theirs.to_json()["spans"]


def test_a_model_that_needs_the_future_is_not_asked_word_by_word(tmp_path: Path) -> None:
    model = exported(RUNS["tag"](tmp_path), tmp_path / "out")
    with pytest.raises(seqloom_portable.PortableError, match="whole sentence"):
        model.online()


def test_a_mixture_leaves_with_its_parts(tmp_path: Path) -> None:
    run = mixture(tmp_path)
    model = exported(run, tmp_path / "out")
    for ours, theirs in zip(model.score(LINES), run.score(LINES), strict=True):
        assert ours.log_prob == pytest.approx(theirs.log_prob, abs=1e-4)


@pytest.mark.parametrize("name", ["parts", "parts/*.txt", "parts/a.txt,parts/b.txt"])
def test_answers_are_compared_on_data_of_several_files(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("parts").mkdir()
    for part in "ab":
        write_text(Path("parts") / f"{part}.txt", lines=40)
    run = seqloom.train("language-model", name, model="ngram", out="run", quiet=True, settings={"model.order": 2})
    exported(run, Path("out"))
    answers = json.loads(Path("out/parity.json").read_text())["answers"]
    assert (answers["read_from"], answers["lines"]) == (name, 100)  # 80 scores and 20 continuations


def test_data_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="does not exist"):
        exported(ngram(tmp_path), tmp_path / "out", data=str(tmp_path / "nowhere.txt"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kind", "score"),
    [
        ("language-model lstm", "perplexity"),
        ("classify text", "accuracy"),
        ("tag", "tag accuracy"),
        ("tag series", "tag accuracy"),
        ("translate transformer", "BLEU"),
        ("describe", "BLEU"),
        ("algorithm", "bit accuracy"),
    ],
)
def test_8_bit_weights_are_smaller_and_measured(kind: str, score: str, tmp_path: Path) -> None:
    run = RUNS[kind](tmp_path)
    exported(run, tmp_path / "int8", int8=True, max_loss=0.5)
    matrices = sum(parameter.numel() for parameter in run.model.parameters() if parameter.dim() > 1)
    assert (tmp_path / "int8" / "weights.bin").stat().st_size < 0.7 * 4 * matrices
    loss = json.loads((tmp_path / "int8" / "parity.json").read_text())["int8"]
    assert (loss["score"], loss["share_lost"] <= 0.5) == (score, True)
    assert "8-bit" in (tmp_path / "int8" / "README.md").read_text()


def test_8_bit_weights_that_cost_too_much_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seqloom.formats.onnx import matrices

    run = RUNS["language-model transformer"](tmp_path)
    monkeypatch.setattr(matrices, "_LARGEST", 1)
    with pytest.raises(SeqloomError, match="loss of 8-bit weights"):
        exported(run, tmp_path / "out", int8=True, max_loss=0.0)
    assert not (tmp_path / "out").exists()


def test_a_graph_of_constants_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch's older exporter makes of a recurrence that leaves torch: no input is used."""
    run = RUNS["language-model lstm"](tmp_path)

    def constants(layer: Any, graph: Graph, *_: Any) -> tuple[Value, list[Value]]:
        outputs, after = layer(torch.zeros(1, 1, layer.input_size))
        numbers = [graph.weight(part) for part in state_tensors(after)]
        return graph.weight(outputs), numbers

    monkeypatch.setattr(language_model, "run_layer", constants)
    with pytest.raises(ParityError, match="does not use all its inputs"):
        exported(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_a_graph_with_a_frozen_mask_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tracing makes of a Transformer: rows of equal length were traced, and no mask was needed."""
    run = RUNS["language-model transformer"](tmp_path)
    visible = transformer._visible

    def frozen(graph: Graph, window: int, before: Any, real: Value, steps: Value) -> Value:
        return visible(graph, window, before, graph.op("Or", real, graph.op("Not", real)), steps)

    monkeypatch.setattr(transformer, "_visible", frozen)
    with pytest.raises(ParityError, match="does not give the same scores"):
        exported(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_layer_without_a_builder_is_refused_by_name(tmp_path: Path) -> None:
    run = RUNS["language-model lstm"](tmp_path)

    class Own(SequenceLayer):
        causal, input_size, output_size = True, 8, 8

    run.model.layer = Own()
    with pytest.raises(RequestError, match="Own cannot be exported"):
        exported(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(RequestError, match="not empty"):
        exported(RUNS["ngram"](tmp_path), tmp_path / "out")


def test_what_has_changed_since_is_found(tmp_path: Path) -> None:
    exported(RUNS["language-model lstm"](tmp_path), tmp_path / "out")
    (tmp_path / "out" / "README.md").write_text("our own words")  # the card of a model may be edited
    assert seqloom_portable.load(tmp_path / "out")
    weights = tmp_path / "out" / "weights.bin"
    content = bytearray(weights.read_bytes())
    content[100] ^= 1
    weights.write_bytes(content)
    with pytest.raises(seqloom_portable.PortableError, match="has changed"):
        Folder(tmp_path / "out")
    weights.write_bytes(content[:-1])
    with pytest.raises(seqloom_portable.PortableError, match="incomplete"):
        seqloom_portable.load(tmp_path / "out")


_WITHOUT_TORCH = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "numba", "seqloom", "onnx", "pydantic", "scipy"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocked())
import seqloom_portable
model = seqloom_portable.load(sys.argv[1])
print("\\n".join(model.predict(["the cat sat", "a b c"])))
"""


def test_a_folder_runs_where_neither_torch_nor_seqloom_is(tmp_path: Path) -> None:
    run = RUNS["translate attention"](tmp_path)
    exported(run, tmp_path / "out")
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_TORCH, str(tmp_path / "out")], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == run.predict(["the cat sat", "a b c"])


def test_paragraph_vectors_of_new_texts_are_refused(tmp_path: Path) -> None:
    """They would be means of the vectors of words, and the run learns other ones."""
    settings = {"min_count": 2, "dim": 8, "sample": 0}
    run = seqloom.train(
        *("vectors", write_neighbours(tmp_path / "text.txt", lines=60)), model="pv-dm", epochs=1, out=tmp_path / "run",
        threads=1, quiet=True, settings=settings,
    )  # fmt: skip
    exporters["onnx"](run, tmp_path / "out", ExportOptions())
    model = seqloom_portable.load(tmp_path / "out")
    assert model.similar("king", 1)
    with pytest.raises(PortableError, match="learn the vector of a new text"):
        model.embed(["king queen"])


@pytest.mark.parametrize(
    ("lowest", "difference", "passes"), [(-1, 1e-5, True), (-1, 5e-5, False), (-40, 5e-5, True), (-40, 5e-4, False)]
)
def test_what_rounding_explains_grows_with_the_numbers(lowest: float, difference: float, passes: bool) -> None:
    """A sure model gives log-probabilities far below 0, which no two libraries compute alike to the last digit."""
    expected, exported = (np.array([[-0.5, lowest + error, -np.inf]]) for error in (0, difference))
    if passes:
        Gate().compare("log-probabilities", exported, expected)
        return
    with pytest.raises(ParityError, match="does not give the same scores"):
        Gate().compare("log-probabilities", exported, expected)
