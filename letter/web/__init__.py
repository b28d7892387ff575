"""Pages. A view reads like a story: it asks the rules, commits once, and answers."""
