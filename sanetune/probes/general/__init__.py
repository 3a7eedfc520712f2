"""General prompts and texts, on which a model before and after training is compared.

``general.jsonl`` is measured on; ``replay.jsonl`` has others, which experiments mix into training. Both were written
for this project and have its licence.
"""
