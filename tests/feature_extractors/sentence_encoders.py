"""A tiny BERT in the layout of sentence-transformers, and BERT written out in functions."""

import json
import math

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy.special import erf, softmax

WIDTH, HEADS, INNER, LAYERS, PLACES = 16, 2, 24, 2, 40
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "no", "coronary", "calcification", "##s", "of", "the", "lad"]
WORDS += ["heart", "is", "normal", ".", "severe"]
MODULES = ("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")


def write_encoder(folder, seed=0, prefix="", pooling=None, modules=MODULES, **extra):
    """Write the files that decide a vector, as sentence-transformers lays them; return the folder."""
    (folder / "1_Pooling").mkdir(parents=True, exist_ok=True)
    config = {
        "model_type": "bert",
        "architectures": ["BertModel"],
        "hidden_size": WIDTH,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "max_position_embeddings": PLACES,
        "vocab_size": len(WORDS),
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
    }
    types = [{"type": f"sentence_transformers.models.{name}", "path": path} for name, path in modules]
    pooling = pooling or {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    for name, content in (("config", config), ("modules", types), ("1_Pooling/config", pooling)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    write_tokenizer(folder / "tokenizer.json")
    named = {f"{prefix}{name}": tensor for name, tensor in tensors(seed).items()}
    save_file(named | extra, folder / "model.safetensors")
    return folder


def tensors(seed):
    random = np.random.default_rng(seed)

    def drawn(*shape):
        return random.normal(0, 0.4, shape).astype(np.float32)

    def layer(name, out, into):
        return {f"{name}.weight": drawn(out, into), f"{name}.bias": drawn(out)}

    def norm(name):
        return {f"{name}.weight": 1 + drawn(WIDTH), f"{name}.bias": drawn(WIDTH)}

    found = {
        f"embeddings.{what}_embeddings.weight": drawn(count, WIDTH)
        for what, count in (("word", len(WORDS)), ("position", PLACES), ("token_type", 2))
    } | norm("embeddings.LayerNorm")
    for stem in (f"encoder.layer.{place}." for place in range(LAYERS)):
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            found |= layer(f"{stem}attention.{part}", WIDTH, WIDTH)
        found |= layer(f"{stem}intermediate.dense", INNER, WIDTH)
        found |= layer(f"{stem}output.dense", WIDTH, INNER)
        found |= norm(f"{stem}attention.output.LayerNorm") | norm(f"{stem}output.LayerNorm")
    return found


def write_tokenizer(path):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    vocabulary = {word: place for place, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    marks = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=marks)
    tokenizer.enable_padding(length=32)  # as published ones have it; it must not count
    tokenizer.save(str(path))


def bert(folder, ids):
    """Return the vectors of the tokens, (tokens, width), by Devlin et al., arXiv 1810.04805, in double precision."""
    config = json.loads((folder / "config.json").read_text())
    w = {name: value.astype(float) for name, value in load_file(folder / "model.safetensors").items()}

    def dense(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + config["layer_norm_eps"])
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    word, place, kind = (
        w[f"embeddings.{what}_embeddings.weight"] for what in ("word", "position", "token_type")
    )
    x = norm(word[ids] + place[: len(ids)] + kind[0], "embeddings.LayerNorm")
    for stem in (f"encoder.layer.{layer}." for layer in range(config["num_hidden_layers"])):
        q, k, v = (
            dense(x, f"{stem}attention.self.{part}")
            .reshape(len(x), config["num_attention_heads"], -1)
            .swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        seen = softmax(q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1]), axis=-1) @ v
        seen = dense(seen.swapaxes(0, 1).reshape(x.shape), f"{stem}attention.output.dense")
        x = norm(x + seen, f"{stem}attention.output.LayerNorm")
        inner = dense(x, f"{stem}intermediate.dense")
        inner *= (1 + erf(inner / math.sqrt(2))) / 2
        x = norm(x + dense(inner, f"{stem}output.dense"), f"{stem}output.LayerNorm")
    return x
