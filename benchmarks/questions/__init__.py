"""The field's questions, answered by small trainings: `benchmarks/answer_questions.py`."""
