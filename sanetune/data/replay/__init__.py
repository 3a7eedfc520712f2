"""Replay: general rows among those of the task, so that less is forgotten.

``general.jsonl`` was written for this project and has its licence. It shares no prompt and no text with the general
prompts and texts by which forgetting is measured.
"""
