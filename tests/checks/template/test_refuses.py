"""template-refuses: rows on which the template raises."""

from sanetune.checks.template import refuses as check
from sanetune.errors import Place, TemplateError
from sanetune.evidence.data_loss import RefusedRows
from sanetune.finding import Verdict
from tests.checks.template_material import judged


def refused(errors: list[TemplateError], count: int | None = None, rows: int = 100) -> RefusedRows:
    return RefusedRows(rows, len(errors) if count is None else count, errors)


def error(what: str, line: int) -> TemplateError:
    return TemplateError(what, place=Place("chats.jsonl", line, line - 1))


def test_no_refusal_passes_with_the_number_of_rows() -> None:
    judgement = judged(check, check.measure(refused([])))
    assert judgement.verdict is Verdict.PASS
    assert "100 rows" in judgement.message


def test_refused_rows_fail_with_reason_and_place() -> None:
    errors = [error("The chat template refuses the conversation: System role not supported", n) for n in (3, 7)]
    found = check.measure(refused(errors))
    judgement = judged(check, found)
    assert judgement.verdict is Verdict.FAIL
    assert "2 of 100 rows" in judgement.message and "System role not supported" in judgement.message
    assert [witness.place.line for witness in found.witnesses if witness.place] == [3, 7]
    assert not judgement.fix


def test_reasons_are_gathered_whatever_the_message_is_called() -> None:
    text = "The assistant's message {} cannot be found in what the chat template renders: none of its text is in it."
    found = check.measure(refused([error(text.format(n), n) for n in range(1, 9)]))
    assert found.numbers["reasons"] == {
        "a reply cannot be found in what it renders: none of its text is in it.": 8,
    }
    assert len(found.witnesses) <= 5


def test_more_refusals_than_are_kept_are_counted() -> None:
    judgement = judged(check, check.measure(refused([error("no", 1)], count=5000, rows=9000)))
    assert "5,000 of 9,000 rows" in judgement.message and "of the first 1" in judgement.message
