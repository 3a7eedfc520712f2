"""Trees of documents: a token finds exactly what came before it in its document, and a shared prefix is there once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.engine.documents.targets import targets_of
from sanetune.engine.documents.tree import PrefixTree, prefix_tree

DOCUMENTS = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=12), min_size=1, max_size=10)


def seen_by(tree: PrefixTree, token: int) -> list[int]:
    """The indices of the tokens that ``token`` attends to, by the nodes."""
    ancestors = [range(node.start, node.end) for node in tree.nodes if node.end <= token < node.below]
    own = [range(node.start, token + 1) for node in tree.nodes if node.start <= token < node.end]
    return [index for some in (*ancestors, *own) for index in some]


@given(DOCUMENTS, st.sampled_from([1, 2, 4, None]))
def test_each_token_attends_to_its_document_up_to_itself(documents: list[list[int]], fewest: int | None) -> None:
    tree = prefix_tree(documents, fewest)
    for document, places in zip(documents, tree.places, strict=True):
        assert tree.ids[places].tolist() == document
        assert tree.positions[places].tolist() == list(range(len(document)))
        for position, place in enumerate(places):
            assert seen_by(tree, int(place)) == places[: position + 1].tolist()


@given(DOCUMENTS)
def test_a_shared_beginning_is_there_once_however_deep(documents: list[list[int]]) -> None:
    prefixes = {tuple(document[:end]) for document in documents for end in range(1, len(document) + 1)}
    assert len(prefix_tree(documents, fewest=1).ids) == len(prefixes)


@given(DOCUMENTS, st.integers(1, 6))
def test_what_is_shared_has_the_fewest_tokens_or_more(documents: list[list[int]], fewest: int) -> None:
    tree = prefix_tree(documents, fewest)
    shared = [node for node in tree.nodes if node.below > node.end]
    assert all(node.end - node.start >= fewest for node in shared)
    assert len(tree.ids) <= sum(map(len, documents))


def test_without_sharing_documents_are_in_their_order() -> None:
    tree = prefix_tree([[5, 5, 1], [5, 5, 2]], None)
    assert tree.ids.tolist() == [5, 5, 1, 5, 5, 2]
    assert not tree.is_shared
    assert prefix_tree([[5, 5, 1], [5, 5, 2]], 2).is_shared


def test_an_unrolled_conversation_is_one_node() -> None:
    """Each row is the beginning of the next: nothing parts, and nothing is computed twice."""
    whole = list(range(100))
    tree = prefix_tree([whole[:40], whole[:70], whole], fewest=16)
    assert tree.ids.tolist() == whole
    assert len(tree.nodes) == 1


@given(st.data())
def test_every_token_in_the_loss_is_counted_once_for_each_document(data: st.DataObject) -> None:
    documents = data.draw(DOCUMENTS)
    labels = [[token if data.draw(st.booleans()) else -100 for token in document] for document in documents]
    tree = prefix_tree(documents, fewest=1)
    targets = targets_of(tree, labels)
    expected: dict[tuple[tuple[int, ...], int], int] = {}
    for document, some in zip(documents, labels, strict=True):
        for position, label in enumerate(some):
            if position and label != -100:
                key = (tuple(document[:position]), label)
                expected[key] = expected.get(key, 0) + 1
    beginnings = {
        int(place): tuple(document[: position + 1])
        for document, places in zip(documents, tree.places, strict=True)
        for position, place in enumerate(places)
    }
    found = zip(targets.places[targets.rows], targets.labels, targets.counts, strict=True)
    assert {(beginnings[int(place)], int(label)): int(count) for place, label, count in found} == expected
    assert targets.lengths == tuple(sum(label != -100 for label in some[1:]) for some in labels)
    assert np.bincount(targets.predictions, minlength=len(targets.counts)).tolist() == targets.counts.tolist()


def test_documents_that_part_are_predicted_from_the_same_token() -> None:
    tree = prefix_tree([[1, 2, 3], [1, 2, 4]], fewest=1)
    targets = targets_of(tree, [[-100, -100, 3], [-100, -100, 4]])
    assert targets.places.tolist() == [1]
    assert sorted(targets.labels.tolist()) == [3, 4]


@pytest.mark.parametrize("fewest", [1, None])
def test_no_document_is_an_empty_tree(fewest: int | None) -> None:
    tree = prefix_tree([], fewest)
    assert (len(tree.ids), tree.longest, tree.is_shared) == (0, 0, False)
