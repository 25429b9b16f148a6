"""What the server that forks the workers for mathematics imports: imports, and the parser's tables.

They must not eat up the time of a real comparison.
"""

from empo_serve.semantics.math_workers import same_mathematics

same_mathematics("\\frac{1}{2}x + 1", "0.5x + 1")
same_mathematics("2\\sqrt{5}", "x^2 - 1")
same_mathematics("[0, 1)", "(0, 1)")
