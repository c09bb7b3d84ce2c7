"""Makes a tiny language model with random weights, in the form that `transformers` loads: `tiny_transformer.py FOLDER`.

Run by the Python of an environment that has `transformers` and `torch`. The model knows some words of two letters or
three and writes them at random, 12 to 48 tokens long: what it says is nonsense, how it is served is not.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = ("<unk>", "<s>", "</s>")
CONTEXT = 16_384
"""Tokens; the suite's longest prompts have 500 messages."""
TEMPLATE = "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} {% endfor %}assistant "


def vocabulary() -> list[str]:
    """Special tokens, then letters, digits and signs, then syllables with the space before them."""
    signs = [chr(code) for code in range(0x21, 0x7F)]
    syllables = [f" {first}{second}" for first, second in product("bdfgklmnprst", "aeiou")]
    return [*SPECIAL, " ", "\n", *signs, *syllables]


def main(folder: Path) -> None:
    """Write the model, its tokenizer and how it generates."""
    torch.manual_seed(1)
    tokens = vocabulary()
    # No merges: each character of a prompt is a token of its own; the syllables are written, never read.
    made = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, [], unk_token=SPECIAL[0]))
    made.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    made.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token=SPECIAL[0], bos_token=SPECIAL[1], eos_token=SPECIAL[2], pad_token=SPECIAL[2],
        model_max_length=CONTEXT, clean_up_tokenization_spaces=False, chat_template=TEMPLATE,
    )  # fmt: skip
    config = LlamaConfig(
        vocab_size=len(tokens), hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=CONTEXT, bos_token_id=1, eos_token_id=2, pad_token_id=2,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    never = [number for number, token in enumerate(tokens) if len(token) == 1 or token in SPECIAL[:2]]
    model.generation_config = GenerationConfig(
        do_sample=True, top_k=0, min_new_tokens=12, max_new_tokens=48, bos_token_id=1, eos_token_id=2, pad_token_id=2,
        suppress_tokens=never,
    )  # fmt: skip
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
