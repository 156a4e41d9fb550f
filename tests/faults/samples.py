"""A small good file for each reader, from which broken ones are made. A reader without one gets those of all others."""

from __future__ import annotations

SERIES = b"# c\n@univariate false\n@equalLength false\n@classLabel true a b\n@data\n1,2,?:3,4,5:a\n1:2:b\n"
CONLLU = b"# text = Do go\n1-2\tDo go\t_\t_\t_\t_\t_\t_\t_\t_\n1\tDo\tdo\tAUX\tVB\t_\t0\troot\t_\t_\n\n"

SAMPLES: dict[str, list[tuple[str, bytes]]] = {
    "lines": [("x.txt", "It was a cat.\n\nn\u00e4ive \u8a9e <unk>\n".encode())],
    "pairs": [("x.tsv", b"a b\tc d\nsource\ttarget\n")],
    "labelled": [
        ("x.tsv", b"label\ttext\ngood\tfine film\nbad\tdull\n"),
        ("x.ts", SERIES),
        ("x.csv", b"x,y,label\n1,2,a\n3,4.5,b\n"),
        ("y.csv", b"id,x,label\n1,2,a\n1,3,a\n2,3,b\n"),
    ],
    "table": [("x.csv", b'x,y,label\n1,2,a\n"3",4.5,b\n')],
    "ts-format": [("x.ts", SERIES)],
    "conll": [("x.conll", b"-DOCSTART- O\n\n# id 7\ten\nAda\tB-PER\nwent\tO\n\n# O\n")],
    "conllu": [("x.conllu", CONLLU)],
    "tagged": [("x.txt", b"Ada B-PER\nwent O\n\nHome O\n"), ("y.txt", CONLLU)],
    "analogies": [("x.txt", b": capital\nman king woman queen\n")],
    "recordings": [
        ("x.tsv", b"path\ttext\tspeaker\na.wav\tyes, no\tann\n"),
        ("x.csv", b'a.wav,"yes, no"\n'),
        ("x.jsonl", b'{"path": "a.wav", "text": "yes", "speaker": 3}\n'),
    ],
    "rated-pairs": [("x.tsv", b"# words\nword1\tword2\tscore\na\tb\t3.5\n")],
}
ALL = [sample for samples in SAMPLES.values() for sample in samples]


def samples_of(reader: str) -> list[tuple[str, bytes]]:
    return SAMPLES.get(reader, ALL)
