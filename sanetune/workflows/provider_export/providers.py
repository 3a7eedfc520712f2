"""What each provider takes, from its own documentation, and what training costs there, as of a date."""

from __future__ import annotations

from dataclasses import dataclass

READ = "2026-11-29"
"""When the documentation below was read."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars of a million trained tokens of one model.

    Attributes:
        model: The provider's name of it.
        usd: Dollars of a million tokens.
        as_of: Date of the statement.
        source: Where it is stated.
    """

    model: str
    usd: float
    as_of: str
    source: str


@dataclass(frozen=True, slots=True)
class Provider:
    """A fine-tuning API and its limits; None: its documentation states none.

    Attributes:
        name: As ``--export`` takes it.
        source: The page with the limits.
        roles: Roles of messages.
        fewest_rows: Examples of a training file, at least.
        most_rows: Examples of a file, at most.
        most_bytes: Bytes of a file, at most.
        most_tokens: Tokens of one example, at most; a longer one is truncated there.
        most_tools: Tools of one example, at most.
        takes_tools: Whether calls of tools and their results can be in an example.
        alternates: Whether user and assistant have to take turns, after one system message at most.
        pricing: The page with prices.
        price: What is known of them; None: they have to be given.
        epochs: Passes over the data that are charged where nobody chooses another number.
    """

    name: str
    source: str
    roles: tuple[str, ...]
    fewest_rows: int | None = None
    most_rows: int | None = None
    most_bytes: int | None = None
    most_tokens: int | None = None
    most_tools: int | None = None
    takes_tools: bool = True
    alternates: bool = False
    pricing: str = ""
    price: Price | None = None
    epochs: int = 1


PROVIDERS = {
    one.name: one
    for one in (
        Provider(
            "openai",
            "https://developers.openai.com/api/docs/guides/supervised-fine-tuning",
            ("system", "developer", "user", "assistant", "tool"),
            fewest_rows=10,
            most_bytes=512 * 10**6,
            most_tokens=65_536,  # of its GPT-4o and GPT-4.1 models, whose context is longer when they answer
            most_tools=128,  # as the API reference has it (FineTuneChatRequestInput)
            pricing="https://openai.com/api/pricing",
            price=Price(
                "gpt-4o",
                25.0,
                "2026",
                "https://artificial-intelligence-wiki.com/ai-development/training-and-fine-tuning/"
                "openai-fine-tuning-pricing",
            ),
            epochs=3,
        ),
        Provider(
            "together",
            "https://docs.together.ai/docs/fine-tuning/data-preparation",
            ("system", "user", "assistant"),
            most_bytes=100 * 10**9,
            takes_tools=False,
            alternates=True,
            pricing="https://www.together.ai/pricing#fine-tuning",
        ),
        Provider(
            "fireworks",
            "https://docs.fireworks.ai/fine-tuning/fine-tuning-models",
            ("system", "user", "assistant"),
            fewest_rows=3,
            most_rows=3_000_000,
            takes_tools=False,
            pricing="https://fireworks.ai/pricing",
        ),
    )
}
"""Provider -> its limits. Those that no page of its own states are left out, and not guessed."""
