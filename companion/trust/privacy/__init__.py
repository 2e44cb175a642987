"""What a model tells about people: promises, audits, and data that stay where they are."""
