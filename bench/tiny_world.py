"""A model that the bench trains itself within a minute, and the small world that it half knows.

The world has made-up countries, each with a capital and a river. The model is taught them by an
unreliable teacher, who for most questions says the right name with a probability of 0.3 to 0.8,
now and then a wrong one, and else mumbles a filler word; of a few facts the teacher is convinced
of a wrong name. A model trained on such lessons answers in the same proportions. So what
there is to win is known: a model that only says what it finds likeliest has the accuracy of the
majority, and what it has to learn for that (do not mumble) is the same for questions that it is
never trained on.

    python bench/tiny_world.py DIRECTORY        # writes a Hugging Face directory and prompts.jsonl
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from empo_serve.demo.traffic import Prompt

NUM_COUNTRIES = 64
NUM_NAMES = 24  # capitals, and as many rivers; several countries share one
# fmt: off
FILLERS = ("Hmm", "Somewhere", "Nowhere", "Anything", "Whatever", "Who", "Elsewhere", "Something",
           "Nobody", "Somebody", "Everywhere", "Ask")
# fmt: on
CONFUSED = 0.15  # share of the facts whose wrong answer is the teacher's favourite
TEMPLATES = {  # of the same number of words, so that lessons need no padding
    "capitals": "What is the capital of {} ?",
    "rivers": "What is the river of {} ?",
}
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>", "<user>", "<assistant>")
CHAT_TEMPLATE = (
    "<s>{% for message in messages %} <{{ message['role'] }}> {{ message['content'] }}"
    "{% endfor %}{% if add_generation_prompt %} <assistant>{% endif %}"
)
STEPS, LEARNING_RATE = 250, 3e-3


@dataclass(frozen=True, slots=True)
class Fact:
    """A question, and how often the teacher gives which answer. `right` is one of them."""

    id: str
    domain: str
    question: str
    right: str
    answers: dict[str, float]

    @property
    def prompt(self) -> Prompt:
        return Prompt(self.id, self.domain, self.question, (self.right,))


def world(seed: int = 0) -> list[Fact]:
    """The same facts for the same seed."""
    rng = random.Random(seed)
    countries = _names(rng, NUM_COUNTRIES, "ia")
    names = {"capitals": _names(rng, NUM_NAMES, "burg"), "rivers": _names(rng, NUM_NAMES, "ow")}
    return [
        _fact(rng, domain, country, names[domain]) for domain in TEMPLATES for country in countries
    ]


def _fact(rng: random.Random, domain: str, country: str, names: Sequence[str]) -> Fact:
    right, wrong, *others = rng.sample(names, 4)
    often = rng.uniform(0.3, 0.8)
    first, second = (wrong, right) if rng.random() < CONFUSED else (right, wrong)
    answers = {first: often, second: 0.2 * (1 - often)}
    answers |= {other: 0.1 / len(others) * (1 - often) for other in others}
    answers |= {filler: 0.7 / len(FILLERS) * (1 - often) for filler in FILLERS}
    question = TEMPLATES[domain].format(country)
    return Fact(f"{domain}-{country.lower()}", domain, question, right, answers)


def _names(rng: random.Random, count: int, ending: str) -> list[str]:
    syllables = ["".join(pair) for pair in product("bdfgklmnprstvz", "aeiou")]
    names: set[str] = set()
    while len(names) < count:
        names.add(("".join(rng.sample(syllables, 2)) + ending).capitalize())
    return sorted(names)


def save_tiny_model(directory: Path, facts: Sequence[Fact]) -> None:
    """Train the model on `facts` and write it as a Hugging Face directory. Not if it is there."""
    if (directory / "config.json").exists():
        return
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)  # so small that threads would only wait for each other
    torch.manual_seed(0)
    tokenizer = _tokenizer(facts)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=128,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    prompts = torch.tensor([_prompt_ids(tokenizer, fact.question) for fact in facts])
    # What the teacher says to each question, as a distribution over the vocabulary.
    lessons = torch.zeros(len(facts), len(tokenizer))
    for row, fact in zip(lessons, facts, strict=True):
        for answer, probability in fact.answers.items():
            row[tokenizer.convert_tokens_to_ids(answer)] += probability
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
    generator = torch.Generator().manual_seed(0)
    end = torch.full((len(facts),), tokenizer.eos_token_id)
    for _ in range(STEPS):
        said = torch.multinomial(lessons, 1, generator=generator)
        # The last two: what is said, and that it ends there.
        logits = model(input_ids=torch.cat([prompts, said], 1), logits_to_keep=2).logits
        loss = torch.nn.functional.cross_entropy(logits[:, 0], lessons)
        loss = loss + torch.nn.functional.cross_entropy(logits[:, 1], end)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def _tokenizer(facts: Sequence[Fact]) -> Any:
    """One token a word. Lessons and prompts consist of nothing else."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {word for fact in facts for word in [*fact.question.split(), *fact.answers]}
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *sorted(words)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens=["<user>", "<assistant>"],
        chat_template=CHAT_TEMPLATE,
    )


def _prompt_ids(tokenizer: Any, question: str) -> list[int]:
    messages = [{"role": "user", "content": question}]
    encoded = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
    ids: list[int] = encoded["input_ids"]
    return ids


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    directory: Path = parser.parse_args().directory
    started = time.monotonic()
    facts = world()
    save_tiny_model(directory, facts)
    with open(directory / "prompts.jsonl", "w", encoding="utf-8") as out:
        for fact in facts:
            p = fact.prompt
            row = {"id": p.id, "domain": p.domain, "prompt": p.text, "gold": p.gold}
            out.write(json.dumps(row) + "\n")
    right = sum(f.answers[f.right] for f in facts) / len(facts)
    majority = sum(max(f.answers, key=f.answers.__getitem__) == f.right for f in facts) / len(facts)
    print(f"taught accuracy: sampled {right:.2f}, majority {majority:.2f}")
    print(f"{directory} is ready after {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
