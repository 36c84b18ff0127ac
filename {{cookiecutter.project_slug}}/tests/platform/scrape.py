"""What Prometheus makes of /metrics."""

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


class Scrape:
    def __init__(self, text: str) -> None:
        families = text_string_to_metric_families(text)
        self._samples = [sample for family in families for sample in family.samples]

    @property
    def names(self) -> set[str]:
        return {sample.name for sample in self._samples}

    def labels(self, name: str) -> set[str]:
        return {label for sample in self._find(name, {}) for label in sample.labels}

    def has(self, name: str, **labels: str) -> bool:
        return bool(self._find(name, labels))

    def sum(self, name: str, **labels: str) -> float:
        return sum(sample.value for sample in self._find(name, labels))

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """The sums that are not 0, by the values of these labels."""
        keys = {tuple(sample.labels[label] for label in labels) for sample in self._find(name, {})}
        sums = {key: self.sum(name, **dict(zip(labels, key, strict=True))) for key in keys}
        return {key: value for key, value in sums.items() if value}

    def _find(self, name: str, labels: dict[str, str]) -> list[Sample]:
        return [
            sample
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
