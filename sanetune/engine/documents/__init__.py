"""A batch without padding: its documents end to end, those that begin alike merged, each beginning computed once."""

from sanetune.engine.documents.batch_loss import DocumentLoss

__all__ = ["DocumentLoss"]
