"""The edge agent: listens to pumps and motors, judges them, keeps and delivers what it found."""

__version__ = "0.1.0"
