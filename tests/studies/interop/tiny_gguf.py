"""Makes a tiny language model with random weights as a GGUF file: `tiny_gguf.py FILE`.

Run by the Python of an environment that has `gguf` and `numpy`. The model has the form of Llama and one layer. It can
write syllables alone, since all other words have a weight that makes them improbable: what it says is nonsense, how it
is served is not.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType

CONTEXT = 16_384
"""Tokens."""
WIDTH = 32
INNER = 32
HEADS = 2
LIKELY, UNLIKELY = 1.0, -8.0
"""What raises a token's logit, whatever went before."""
END, END_AFTER_SYLLABLE = -0.87, 2.13
"""The end of the text comes after one syllable in some twenty, and never at the beginning."""


def vocabulary() -> list[tuple[str, TokenType]]:
    """Special tokens, one for each octet (so that every text can be read), then syllables with the space before."""
    special = [("<unk>", TokenType.UNKNOWN), ("<s>", TokenType.CONTROL), ("</s>", TokenType.CONTROL)]
    octets = [(f"<0x{octet:02X}>", TokenType.BYTE) for octet in range(256)]
    syllables = [f"▁{first}{second}" for first, second in product("bdfgklmnprst", "aeiou")]
    return [*special, *octets, *((text, TokenType.NORMAL) for text in syllables)]


def main(path: Path) -> None:
    """Write the file."""
    tokens = vocabulary()
    random = np.random.default_rng(1)

    def drawn(*shape: int) -> np.ndarray:
        return random.normal(0, 0.2, shape).astype(np.float32)

    # Attention and feed-forward add nothing to the state, so it is the last token's own. Its first number is the same
    # for all tokens and the second says whether that is a syllable: by these the output weighs each token.
    normal = np.array([kind is TokenType.NORMAL for _, kind in tokens])
    embedded, out = drawn(len(tokens), WIDTH), drawn(len(tokens), WIDTH)
    embedded[:, 0], embedded[:, 1] = 2.0, np.where(normal, 2.0, -2.0)
    out[:, 0], out[:, 1] = np.where(normal, LIKELY, UNLIKELY), 0.0
    out[2, :2] = END, END_AFTER_SYLLABLE
    writer = GGUFWriter(str(path), "llama")
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _ in tokens])
    writer.add_token_scores([0.0 if kind is not TokenType.NORMAL else -1.0 for _, kind in tokens])
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    still = np.zeros((WIDTH, WIDTH), dtype=np.float32)
    matrices = {
        "token_embd": embedded, "output": out, "output_norm": np.ones(WIDTH, np.float32),
        "blk.0.attn_norm": np.ones(WIDTH, np.float32), "blk.0.ffn_norm": np.ones(WIDTH, np.float32),
        "blk.0.attn_q": drawn(WIDTH, WIDTH), "blk.0.attn_k": drawn(WIDTH, WIDTH), "blk.0.attn_v": drawn(WIDTH, WIDTH),
        "blk.0.attn_output": still, "blk.0.ffn_gate": drawn(INNER, WIDTH), "blk.0.ffn_up": drawn(INNER, WIDTH),
        "blk.0.ffn_down": still,
    }  # fmt: skip
    for name, matrix in matrices.items():
        writer.add_tensor(f"{name}.weight", matrix)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
