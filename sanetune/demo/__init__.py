"""The embedded demo: a small base model, conversations of a small shop, and what built them.

Everything in this folder is made by this project from one seed (`python -m tools.demo_model.build`): no text and
no weight comes from elsewhere. This module only says where things lie, so importing it costs nothing.
"""

from pathlib import Path

HERE = Path(__file__).parent

#: The base model and its tokenizer: a plain transformers folder.
MODEL = HERE / "model"
#: Customer-service conversations to learn from, one `{"messages": [...]}` per line.
TRAIN = HERE / "data" / "train.jsonl"
#: Conversations of the same kind that training never sees.
VALIDATION = HERE / "data" / "validation.jsonl"
#: Held-out prompts, `{"messages": [... ending in user], "facts": {...}}`, by customers of names no training row has.
PROMPTS = HERE / "data" / "prompts.jsonl"
