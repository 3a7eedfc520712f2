from sanetune.checks import Check, Limit, Limits, NotApplicableError, Page  # noqa: F401
