"""General prompts and texts, on which a model before and after training is compared.

``general.jsonl`` was written for this project and has its licence.
"""
