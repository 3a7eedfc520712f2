"""List the names under which data files keep what a conversation consists of."""

from __future__ import annotations

CHATS = ("messages", "conversations", "conversation", "chat_messages", "contents")
"""Columns that hold a list of messages."""

LATE_CHATS = ("chat", "dialog", "dialogue", "turns")
"""Columns that hold a list of messages where nothing else in the row is a question, a reply or a text."""

PAIRS: dict[str, tuple[str, tuple[str, ...]]] = {
    "instruction": ("alpaca", ("output", "response")),
    "prompt": ("prompt-completion", ("completion",)),
    "question": ("question-answer", ("answer", "answerkey")),
    "question_stem": ("question-answer", ("answerkey", "answer")),
    "query": ("question-answer", ("answer",)),
    "problem": ("question-answer", ("solution", "answer")),
    "user": ("question-answer", ("assistant",)),
    "human": ("question-answer", ("assistant", "gpt", "bot")),
}
"""Question column -> (format, the reply columns that belong to it, best first)."""

REPLIES = ("completion", "response", "output", "answer")
"""Any one of these may stand for the reply when the one that belongs to the question is not there."""

LATE_PAIRS = (
    ("inputs", "targets"),
    ("input", "target"),
    ("input_text", "output_text"),
    ("input_text", "target_text"),
    ("source_text", "target_text"),
    ("source", "target"),
    ("src", "tgt"),
    ("document", "summary"),
    ("article", "summary"),
    ("article", "highlights"),
    ("dialogue", "summary"),
)
"""Columns of a question and its reply that mean it only together, and where nothing else does."""

ANSWERS = (*REPLIES, *(answer for _, answer in LATE_PAIRS))
"""Columns that may reply to all the messages beside them."""

BELOW = ("input", "context", "contexts", "passage", "background", "ctx")
"""Columns whose text stands below the question, in this order."""

SYSTEMS = ("system", "system_prompt", "system_message", "system_instruction", "systemInstruction")

TOOLS = ("tools", "functions", "tool_defs", "tool_definitions", "tool_schemas", "available_tools", "function_defs")

REASONING = (
    "reasoning_content",
    "reasoning",
    "thinking",
    "thought",
    "thoughts",
    "cot",
    "complex_cot",
    "chain_of_thought",
    "reasoning_trace",
    "rationale",
    "reasoning_details",
)
"""Columns, and keys of a message, under which reasoning is found, best first."""

SWITCHES = frozenset(["on", "off", "true", "false", "yes", "no", "none", "auto", "low", "medium", "high"])
"""Texts in a column of reasoning that switch it, and are none."""

TEMPLATE_ARGUMENTS = (
    "enable_thinking",
    "thinking",
    "reasoning_effort",
    "thinking_budget",
    "preserve_thinking",
    "keep_thinking",
    "clear_thinking",
    "add_thinking",
    "think_mode",
    "date_string",
    "current_date",
    "model_identity",
    "builtin_tools",
)
"""Columns that chat templates know as variables; only true, false, numbers and short texts, since text to be learned
is none."""

MEDIA = ("images", "image", "videos", "video", "audios", "audio", "image_url", "image_path")
"""Columns, and keys of a message, that hold what is no text."""

PREFERENCES = (
    ("chosen", "rejected"),
    ("chosen_response", "rejected_response"),
    ("preferred", "dispreferred"),
    ("accepted", "rejected"),
)
"""Columns of a wanted and an unwanted answer to the same prompt."""

LABELS = ("label", "kto_tag", "kto_label", "desirable", "is_desirable")
"""Columns that say with true or false whether the answer of a row is wanted."""

OPTIONS = ("options", "choices")
"""Columns with the answers that a multiple-choice question offers."""

_ALONE = ("text", "assistant", "solution", "reasoning", "complex_cot", "answerkey")
USUAL = frozenset((*CHATS, *LATE_CHATS, *PAIRS, *REPLIES, *BELOW, *SYSTEMS, *TOOLS, *OPTIONS, *_ALONE))
"""Names that are understood in capitals, too (``Instruction``, ``OUTPUT``), where the row has no such column."""
