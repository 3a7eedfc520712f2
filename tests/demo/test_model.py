"""The base model as shipped: its size, its tokenizer, its ends, and that it does not answer in form."""

import json

import pytest

from sanetune import demo
from sanetune.demo.score import Reply, score
from tools.demo_model.pretrain import LAST_SHARE, WARM_UP, pack, share_of_peak
from tools.demo_model.tokenizer import CONTEXT, END, END_OF_TURN, PAD, START_OF_TURN, train_tokenizer

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

MEGABYTE = 10**6


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.AutoTokenizer.from_pretrained(demo.MODEL)


@pytest.fixture(scope="module")
def model():
    return transformers.AutoModelForCausalLM.from_pretrained(demo.MODEL).eval()


def test_the_model_is_a_small_llama_within_its_limits(model, tokenizer):
    assert model.config.model_type == "llama"
    assert 500_000 <= model.num_parameters() <= 2_000_000
    assert (demo.MODEL / "model.safetensors").stat().st_size <= 6 * MEGABYTE
    assert 1000 <= len(tokenizer) <= 4000
    assert len(tokenizer) == model.config.vocab_size


def test_the_base_ends_like_a_base(model, tokenizer):
    assert tokenizer.eos_token == END
    assert tokenizer.pad_token == PAD
    assert model.config.eos_token_id == model.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids(END)
    assert model.generation_config.pad_token_id == tokenizer.pad_token_id


def test_chat_marks_are_single_tokens_and_digits_come_in_pairs(tokenizer):
    for mark in (START_OF_TURN, END_OF_TURN, END, PAD):
        assert len(tokenizer(mark).input_ids) == 1
    assert [tokenizer.decode(i) for i in tokenizer("48213").input_ids] == ["48", "21", "3"]
    pairs = [f"{number:02d}" for number in range(100)]
    assert sum(len(tokenizer(pair).input_ids) == 1 for pair in pairs) >= 95


def test_the_chat_template_is_plain_chatml(tokenizer):
    messages = [{"role": "system", "content": "Sign as Nell."}, {"role": "user", "content": "Hi"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == (
        "<|im_start|>system\nSign as Nell.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    assert "generation %}" not in tokenizer.chat_template.replace("add_generation_prompt", "")
    assert (demo.MODEL / "chat_template.jinja").exists()


def test_every_conversation_fits_the_context_and_survives_the_tokenizer(tokenizer):
    for line in demo.TRAIN.read_text(encoding="utf-8").splitlines():
        text = tokenizer.apply_chat_template(json.loads(line)["messages"], tokenize=False)
        ids = tokenizer(text).input_ids
        assert len(ids) <= CONTEXT
        assert tokenizer.decode(ids) == text


def test_the_base_knows_the_shop_and_copies(model, tokenizer):
    text = (
        "On the board stood: 58319, Quendolin Hartberg, walnut tray, Riga. Then the tea was ready. "
        "The driver read it aloud:"
    )
    ids = tokenizer(text, return_tensors="pt").input_ids
    new = model.generate(ids, do_sample=False, max_new_tokens=16)[:, ids.shape[1] :]
    assert "58319" in tokenizer.decode(new[0])


def test_the_base_does_not_answer_in_form(model, tokenizer):
    prompts = [json.loads(line) for line in demo.PROMPTS.read_text(encoding="utf-8").splitlines()[:5]]
    replies = []
    for prompt in prompts:
        inputs = tokenizer.apply_chat_template(
            prompt["messages"], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        ids = model.generate(**inputs, do_sample=False, max_new_tokens=96)[0, inputs["input_ids"].shape[1] :]
        replies.append(Reply(tokenizer.decode(ids, skip_special_tokens=True), bool(ids[-1] == tokenizer.eos_token_id)))
    assert score(replies, prompts)["in_form"] == 0.0


def test_the_tokenizer_comes_from_its_texts_alone():
    texts = [f"Mara ordered walnut tray number {number}." for number in range(10000, 10400)]
    one, two = train_tokenizer(texts), train_tokenizer(texts)
    assert one.get_vocab() == two.get_vocab()


def test_the_learning_rate_warms_up_holds_and_falls():
    factors = [share_of_peak(step, 1000, 400) for step in range(1000)]
    assert factors[: WARM_UP - 1] == sorted(factors[: WARM_UP - 1])
    assert set(factors[WARM_UP:600]) == {1.0}
    assert factors[600:] == sorted(factors[600:], reverse=True)
    assert factors[-1] == pytest.approx(LAST_SHARE, abs=0.01)


def test_muon_s_directions_all_have_about_the_same_weight():
    from tools.demo_model.muon import orthogonal

    torch.manual_seed(0)
    for shape in ((3, 16, 32), (3, 32, 16)):
        weights = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert weights.min() > 0.5
        assert weights.max() < 1.5


def test_texts_too_short_to_fill_the_rows_are_refused(tokenizer):
    with pytest.raises(ValueError, match="are needed"):
        pack(["Mara came."], tokenizer, rows=2)
