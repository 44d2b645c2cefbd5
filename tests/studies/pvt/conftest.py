"""The small network of tests/studies/codesign."""

from tests.studies.codesign.conftest import mapped, problem, rng, study_path, study_text, weights

__all__ = ["mapped", "problem", "rng", "study_path", "study_text", "weights"]
