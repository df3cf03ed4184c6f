"""Files that come with the program: read here, by those who may, as text."""

from pathlib import Path

HERE = Path(__file__).resolve().parent


def severity_tables_text() -> str:
    """The tables of agent/analysis/severity.json."""
    return (HERE / "analysis" / "severity.json").read_text()


def default_model_dir() -> str:
    """The folder of the model that ships with the program."""
    return str(HERE.parent / "models" / "default")
