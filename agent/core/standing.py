"""What stands: a finding counts once it repeats, N of the last M examinations. Pure."""


class Standing:
    """`recent`: the sets of names of the last `m` examinations, oldest first. Unchanging."""

    def __init__(self, n: int, m: int, recent: "tuple[tuple[str, ...], ...]" = ()) -> None:
        if not 0 < n <= m:
            raise ValueError(f"n: {n} of m: {m} examinations can never be reached")
        self.n = n
        self.m = m
        self.recent = recent

    def after(self, names: "tuple[str, ...]") -> "Standing":
        return Standing(self.n, self.m, (self.recent + (names,))[-self.m :])

    def stands(self, name: str) -> bool:
        """Whether `name` was found in at least `n` of the last `m` examinations."""
        return sum(1 for names in self.recent if name in names) >= self.n
