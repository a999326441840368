"""Fields that complete what is typed from a list that the server gives."""

from typing import Any

from django import forms


class CreateContainersField(forms.BooleanField):
    """Whether the containers above a destination are made too: asked for, so that no slip makes a catalog."""

    def __init__(self) -> None:
        super().__init__(label="Create the schema and its catalog if they are missing", required=False)


class PickerInput(forms.TextInput):
    """A text field with suggestions below it; free text stays possible.

    `url` answers `?q=` with `parts/_picker_options.html`. A choice fires `change` on the field.
    """

    def __init__(self, url: Any, attrs: dict[str, Any] | None = None) -> None:
        everything = {
            "data-picker": url,
            "role": "combobox",
            "aria-autocomplete": "list",
            "aria-expanded": "false",
            "autocomplete": "off",
            "autocapitalize": "off",
            "spellcheck": "false",
            **(attrs or {}),
        }
        super().__init__(everything)
