"""What pydantic-settings looked for in the environment and did not find."""

import sys


def missing(error):
    """Required fields of pydantic-settings (and of pydantic 1's BaseSettings), by the names that it looks for."""
    if type(error).__name__ != "ValidationError" or not type(error).__module__.startswith("pydantic"):
        return []
    try:
        # None is what os.getenv() gave as a field's default.
        fields = [
            e["loc"]
            for e in error.errors()
            if e["type"] in ("missing", "value_error.missing") or e.get("input", "") is None
        ]
        model = getattr(error, "model", None) or settings_class(getattr(error, "title", None))
        return [name for loc in fields for name in [setting_name(model, loc)] if name] if model else []
    except Exception:
        return []


def settings_class(title):
    base = getattr(sys.modules.get("pydantic_settings"), "BaseSettings", None)
    waiting = [base] if base else []
    while waiting:
        one = waiting.pop()
        if one is not base and title in (one.__name__, one.model_config.get("title")):
            return one
        waiting.extend(one.__subclasses__())
    return None


def setting_name(model, loc):
    first = str(loc[0])
    if hasattr(model, "__fields__") and not hasattr(model, "model_fields"):
        for name, field in model.__fields__.items():
            if first in (name, field.alias):
                names = sorted(field.field_info.extra.get("env_names", ()))
                return names[0].upper() if names else None
        return None
    config = model.model_config
    prefix = config.get("env_prefix") or ""
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        choices = [str(c) for c in getattr(alias, "choices", [alias] if alias else [])]
        if first != name and first not in choices:
            continue
        parts = [choices[0] if choices else prefix + name]
        delimiter = config.get("env_nested_delimiter")
        if delimiter and len(loc) > 1:
            parts += [str(part) for part in loc[1:]]
        text = (delimiter or "").join(parts)
        return text if config.get("case_sensitive") else text.upper()
    return None
