"""Find the characters of a rendered conversation that the model has to write.

The loss counts these and nothing else. Chat templates are programs, and most of them do not say which part of their
output is the assistant's. Words used here:

* A *mark* is an invisible sign on one end of a text of a conversation (:mod:`~sanetune.data.masking.markers`).
* A *turn* is what the model writes as one message: everything after the prompt that inference gives it (the *header*),
  up to and including the token that ends it (its *closing*) (:mod:`~sanetune.data.masking.turns`).
* A *frame* is what a template puts around the texts of all conversations of one *shape*; it is what the *turn cache*
  remembers (:mod:`~sanetune.data.masking.turn_cache`).

An example with Qwen3's template, whose second answer has reasoning. Marks are shown as numbers in brackets; text k has
the marks 2k and 2k + 1:

.. code-block:: text

    <|im_start|>user
    [0]2 + 2?[1]<|im_end|>
    <|im_start|>assistant
    [2]4.[3]<|im_end|>
    <|im_start|>user
    [4]And 3 + 3?[5]<|im_end|>
    <|im_start|>assistant
    <think>
    [8]Three twice.[9]
    </think>

    [6]6.[7]<|im_end|>

1. *Where is the text?* Without the marks this is what the unmarked conversation renders to, so every mark is where its
   text begins or ends: the second answer has the marks 6 to 9.
2. *Where does the turn begin?* The messages before it, with a generation prompt, end in ``[5]<|im_end|>``, a line break
   and ``<|im_start|>assistant``, and another line break. The rendering continues in the same way after mark 5, so the
   turn begins behind that: at ``<think>``.
3. *Where does it end?* Behind mark 7 follows ``<|im_end|>`` and a line break, as in the rendering of the messages up to
   this one. White space does not end a turn: its closing is ``<|im_end|>``.

The turns are ``4.<|im_end|>`` and ``<think>↵Three twice.↵</think>↵↵6.<|im_end|>``. The frame is everything outside the
marked texts. The next conversation of four messages with reasoning in the last is rendered once, and its texts are put
into this frame: if the result is what the template renders, its turns are known without a search.
"""
