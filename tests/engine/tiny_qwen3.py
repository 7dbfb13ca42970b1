"""Write a tiny Qwen3-architecture GGUF for tests: 3 MB, no download, no training run.

It is a real Qwen3 graph (GQA, per-head q/k RMSNorm, RoPE, SwiGLU) with an embedded byte-level BPE vocabulary and a
ChatML template that honours `enable_thinking`. Embeddings are one-hot and the output matrix holds log P(next | token)
of SAMPLE, so the model thinks, closes </think>, answers and stops by itself. It knows nothing: it tests plumbing
(HTTP, streaming, counts, grammars, limits), never quality.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")  # control tokens, never printed
MARKERS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
# Thinking, answer and JSON words are disjoint, so that one never leaks into another.
SAMPLE = (
    "assistant\n<think>Okay so this person asks something and I should plan.\n</think>\n\n",
    "assistant\n<think>I should plan something and reply.\n</think>\n\n",
    "</think>\n\nthe tiny model answers with a short sentence.<|im_end|>",
    "</think>\n\nthe answer is a short sentence with a few words.<|im_end|>",
    '{"name": "tiny", "answer": "yes", "value": 12, "tags": ["small", "test"], "ok": true}<|im_end|>',
)
# Only there to become whole words of the vocabulary.
EXTRA = "<tool_call>\nuser system Please, question about JSON data functions tools following request what how why"

CONTEXT = 4096
LAYERS, HEADS, KV_HEADS, HEAD_DIM, FEED_FORWARD = 2, 4, 2, 16, 64

# The engine only splits thinking from answer for a template that knows `reasoning_content`.
CHAT_TEMPLATE = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if loop.last and message.reasoning_content %}
        {{- '<think>\\n' + message.reasoning_content.strip('\\n') + '\\n</think>\\n\\n' }}
    {%- endif %}
    {{- message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{% endif %}
{%- endif %}
"""

# Close enough to Qwen2's pre-tokenizer for ASCII sample text.
_WORD = re.compile(r"'\w+| ?[A-Za-z]+|\d| ?[^\sA-Za-z\d]+\n*|\s*\n+|\s+(?!\S)|\s+")
_SPLIT = re.compile("(" + "|".join(map(re.escape, SPECIALS + MARKERS)) + ")")


def write_tiny_qwen3(path: Path, seed: int = 0, context: int = CONTEXT) -> Path:
    """The model at `path`, the same bytes for the same seed."""
    rng = np.random.default_rng(seed)
    tokens, merges, encoded = _tokenizer((*SAMPLE, EXTRA))
    ids = {token: number for number, token in enumerate(tokens)}
    width = -(-len(tokens) // 32) * 32  # one-hot needs a column for every token
    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_name("Tiny Qwen3 test model")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_rope_freq_base(1e6)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([_kind(token) for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_eos_token_id(ids["<|im_end|>"])
    writer.add_pad_token_id(ids["<|endoftext|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)
    for name, tensor in _tensors(rng, encoded, ids, width).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _kind(token: str) -> gguf.TokenType:
    if token in SPECIALS:
        return gguf.TokenType.CONTROL
    return gguf.TokenType.USER_DEFINED if token in MARKERS else gguf.TokenType.NORMAL


def _tensors(
    rng: np.random.Generator, encoded: Sequence[Sequence[int]], ids: dict[str, int], width: int
) -> dict[str, Floats]:
    shapes = {
        "attn_q": (HEADS * HEAD_DIM, width),
        "attn_k": (KV_HEADS * HEAD_DIM, width),
        "attn_v": (KV_HEADS * HEAD_DIM, width),
        "attn_output": (width, HEADS * HEAD_DIM),
        "ffn_gate": (FEED_FORWARD, width),
        "ffn_up": (FEED_FORWARD, width),
        "ffn_down": (width, FEED_FORWARD),
    }
    norms = {"attn_norm": width, "attn_q_norm": HEAD_DIM, "attn_k_norm": HEAD_DIM, "ffn_norm": width}
    tensors: dict[str, Floats] = {
        "token_embd.weight": np.eye(len(ids), width, dtype=np.float32),
        "output_norm.weight": np.full(width, width**-0.5, np.float32),
        "output.weight": _bigram_logits(encoded[: len(SAMPLE)], ids, width),
    }
    for layer in range(LAYERS):
        for name, size in norms.items():
            tensors[f"blk.{layer}.{name}.weight"] = np.ones(size, np.float32)
        for name, shape in shapes.items():  # faint noise: the blocks must not drown the bigrams
            tensors[f"blk.{layer}.{name}.weight"] = rng.normal(0, 0.002, shape).astype(np.float32)
    return tensors


def _bigram_logits(encoded: Sequence[Sequence[int]], ids: dict[str, int], width: int) -> Floats:
    """Column t = log P(next | t), with faint fall-backs that only show when a grammar forbids the rest."""
    counts = np.full((len(ids), len(ids)), 1e-8)
    counts[:, ids["<|im_end|>"]] += 1e-3  # unknown ground: stop
    counts[:, ids['"']] += 1e-4  # may not stop inside a JSON string: close it
    for sequence in encoded:
        for here, after in pairwise(sequence):
            counts[here, after] += 1
    logits = np.zeros((len(ids), width), np.float32)
    logits[:, : len(ids)] = np.log(counts / counts.sum(1, keepdims=True)).T
    return logits


def _byte_alphabet() -> dict[int, str]:
    """GPT-2's reversible map of bytes to printable characters."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {byte: chr(byte) for byte in keep}
    others = (byte for byte in range(256) if byte not in table)
    return dict(sorted((table | {byte: chr(256 + place) for place, byte in enumerate(others)}).items()))


def _merge(parts: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    place = 0
    while place < len(parts):
        step = 2 if tuple(parts[place : place + 2]) == pair else 1
        merged.append("".join(parts[place : place + step]))
        place += step
    return merged


def _tokenizer(texts: Sequence[str], limit: int = 400) -> tuple[list[str], list[tuple[str, str]], list[list[int]]]:
    """Learn BPE merges until every sample word is one token: the tokens, the merges, the texts as numbers."""
    alphabet = _byte_alphabet()
    pieces = [piece for text in texts for piece in _SPLIT.split(text) if piece]
    found = (word for piece in pieces if not _SPLIT.fullmatch(piece) for word in _WORD.findall(piece))
    words = {word: [alphabet[byte] for byte in word.encode()] for word in found}
    merges: list[tuple[str, str]] = []
    while len(merges) < limit:
        pairs = Counter(pair for parts in words.values() for pair in pairwise(parts))
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        words = {word: _merge(parts, best) for word, parts in words.items()}
    tokens = [*alphabet.values(), *dict.fromkeys(a + b for a, b in merges), *SPECIALS, *MARKERS]
    ids = {token: number for number, token in enumerate(tokens)}

    def encode(text: str) -> list[int]:
        numbers: list[int] = []
        for piece in filter(None, _SPLIT.split(text)):
            if _SPLIT.fullmatch(piece):
                numbers.append(ids[piece])
            else:
                numbers.extend(ids[token] for word in _WORD.findall(piece) for token in words[word])
        return numbers

    return tokens, merges, [encode(text) for text in texts]
