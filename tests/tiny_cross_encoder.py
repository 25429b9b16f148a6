"""A CrossEncoder with random weights: it means nothing, but it is a real one."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path


def tiny_cross_encoder(directory: Path, labels: Sequence[str], order: Sequence[int]) -> Path:
    """Write a BERT of one layer that classifies pairs of texts into `labels`.

    `order` permutes its outputs: output i of one model is output order[i] of the unpermuted one,
    and `labels` name the outputs of this one.
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    directory.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *string.ascii_lowercase, *string.digits]
    words += [f"##{letter}" for letter in string.ascii_lowercase + string.digits]
    vocabulary = directory / "vocab.txt"
    vocabulary.write_text("\n".join(words), encoding="utf-8")
    BertTokenizerFast(vocab=str(vocabulary), model_max_length=64).save_pretrained(directory)
    torch.manual_seed(1)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(words),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=64,
            initializer_range=1.0,  # far from zero, so that texts make a difference
            num_labels=len(labels),
            id2label=dict(enumerate(labels)),
            label2id={label: i for i, label in enumerate(labels)},
        )
    )
    with torch.no_grad():
        model.classifier.weight.copy_(model.classifier.weight[list(order)])
        model.classifier.bias.copy_(model.classifier.bias[list(order)])
    model.save_pretrained(directory)
    return directory
